import { expect, test } from "@playwright/test";

import { GRACE, held, OPERATOR, over, refuseAll, SECOND, signIn, submit, until } from "./system";

test("a refusal ends the call, and its task goes on without it", async ({ page, request }) => {
  const task = await submit(request, "The cart forgets its items");
  await until(request, task, held);
  await signIn(page, "/approvals");
  await page.getByRole("list", { name: "Approvals" }).getByRole("button", { name: /The cart forgets its items/ }).click();
  const risk = page.getByRole("region", { name: "Risk" });
  await expect(risk).toContainText(/It (sends something out|changes something outside of the task)\./);
  await expect(page.getByText("for issue tracker").first()).toBeVisible();
  await page.keyboard.press("c");
  await page.getByLabel(/^Comment/).fill("Asked the reporter again; no answer yet.");
  await page.reload();
  await page.getByRole("list", { name: "Approvals" }).getByRole("button", { name: /The cart forgets its items/ }).click();
  await page.keyboard.press("c");
  await expect(page.getByLabel(/^Comment/)).toHaveValue("Asked the reporter again; no answer yet.");
  await page.getByRole("button", { name: "Add comment" }).click();
  await expect(page.getByRole("region", { name: "Remarks" })).toContainText("Asked the reporter again; no answer yet.");
  await page.keyboard.press("r");
  await expect(page.getByText("github.comment rejected")).toBeVisible();
  await until(request, task, over);
});

test("one approves what the other edits: one wins, the other is told who did what, and keeps what was typed", async ({ browser, page, request }) => {
  const task = await submit(request, "Reset e-mail never arrives");
  await until(request, task, held);
  await signIn(page, "/approvals");
  await page.getByRole("list", { name: "Approvals" }).getByRole("button", { name: /Reset e-mail never arrives/ }).click();
  await page.keyboard.press("e");
  await page.getByLabel("body").fill("A careful answer that took a while to write.");
  const context = await browser.newContext();
  const other = await context.newPage();
  await signIn(other, "/approvals", SECOND());
  await other.getByRole("list", { name: "Approvals" }).getByRole("button", { name: /Reset e-mail never arrives/ }).click();
  await other.getByRole("button", { name: "Approve" }).click();
  await expect(other.getByText("github.comment approved")).toBeVisible();
  await expect(page.getByText(/It is approved by .+ Your edit was not sent; this is what you had typed/)).toBeVisible();
  await expect(page.getByLabel("body")).toHaveValue("A careful answer that took a while to write.");
  await until(request, task, over);
  await context.close();
});

test("those alike are marked with one key and approved with another", async ({ page, request }) => {
  await refuseAll(request);
  const titles = ["Export lacks the last row", "Printing cuts the margin", "Avatar is not saved"];
  const tasks = [];
  for (const title of titles) tasks.push(await submit(request, title));
  for (const task of tasks) await until(request, task, held);
  await signIn(page, "/approvals");
  await expect(page.getByRole("list", { name: "Approvals" }).getByRole("listitem")).toHaveCount(titles.length);
  await page.keyboard.press("l");
  await expect(page.getByText("3 marked")).toBeVisible();
  await page.keyboard.press("a");
  await expect(page.getByText("3 approved")).toBeVisible();
  for (const task of tasks) await until(request, task, over);
});

test("tasks are searched, sorted and kept as a view in the address, and marked ones are run again", async ({ page, request }) => {
  const task = await submit(request, "Zebra stripes on the invoice");
  await until(request, task, held);
  const cancelled = await request.post(`/api/v1/tasks/${task}/cancel`, { headers: { Authorization: `Bearer ${OPERATOR()}` }, data: { reason: "to be run again" } });
  expect(cancelled.ok()).toBe(true);
  await until(request, task, over);
  await signIn(page, "/tasks");
  await page.keyboard.press("f");
  await page.keyboard.type("zebra");
  await page.keyboard.press("Enter");
  const table = page.getByRole("table", { name: "Tasks" });
  await expect(table.getByRole("row")).toHaveCount(2);
  await expect(page).toHaveURL(/q=zebra/);
  await table.getByRole("button", { name: "Took" }).click();
  await expect(page).toHaveURL(/sort=duration/);
  await page.reload();
  await expect(table.getByRole("row")).toHaveCount(2);
  await page.getByRole("button", { name: "Save view…" }).click();
  await page.getByLabel("Name of the view").fill("Zebras");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "All", exact: true }).click();
  await expect(page).not.toHaveURL(/q=zebra/);
  await page.getByRole("button", { name: "Zebras", exact: true }).click();
  await expect(table.getByRole("row")).toHaveCount(2);
  await page.keyboard.press("j");
  await page.keyboard.press("x");
  await page.getByRole("group", { name: "Marked tasks" }).getByRole("button", { name: "Retry" }).click();
  await expect(page.getByText("1 asked to run again")).toBeVisible();
  await until(request, task, (row) => over(row) && row.outcome === "completed");
});

test("a stop says what it will hit and lists what it stopped; a global one is let go in stages by two people; all with the keyboard", async ({ browser, page, request }) => {
  const task = await submit(request, "Search is slow on Mondays");
  await until(request, task, held);
  await signIn(page, "/tasks");
  await page.keyboard.press("!");
  const dialog = page.getByRole("dialog", { name: "Stop" });
  await expect(dialog.getByRole("status")).toContainText(/[1-9]\d* unsettled tasks? will stop/);
  await dialog.getByLabel("Why? It stands in the log.").fill("two people and a drill");
  await page.keyboard.press("Enter");
  await expect(dialog.getByRole("button", { name: "Yes, halt everything" })).toBeVisible();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("alert").filter({ hasText: "Everything is stopped" })).toBeVisible();
  await expect(page.getByRole("region", { name: "What stopped" })).toContainText(/stopped|in flight/);
  await page.getByLabel("Why release it?").fill("the first of two");
  await page.getByRole("button", { name: "Release all" }).click();
  await expect(page.getByText("Another person must confirm")).toBeVisible();
  const context = await browser.newContext();
  const other = await context.newPage();
  await signIn(other, "/kill", OPERATOR());
  await other.getByLabel("Why release it?").fill("the second of two");
  await other.getByRole("button", { name: "Confirm release" }).click();
  await expect(page.getByRole("alert").filter({ hasText: "is stopped" })).toHaveCount(0);
  await context.close();
  const past = page.getByRole("region", { name: "Released switches", exact: true });
  await expect(past.getByRole("row", { name: /two people and a drill.*the second of two/ })).toContainText("everything");
});

test("a drill shows how soon every instance saw the switch", async ({ page }) => {
  await signIn(page, "/kill");
  await page.getByRole("button", { name: "Drill", exact: true }).click();
  const figures = page.getByRole("region", { name: /^Drill: 20 rounds/ });
  await expect(figures).toBeVisible({ timeout: 120_000 });
  await expect(figures.getByRole("row")).not.toHaveCount(1);
  await expect(page.getByRole("list", { name: "Drills, newest first" }).getByRole("listitem").first()).toContainText(/20 rounds.* by you: drill from the console.*99 of 100 within/);
});

test("what comes in as script is text on every page", async ({ page, request }) => {
  const script = `<img src=x onerror="window.hurt=1"> and <script>window.hurt=1</script>`;
  const task = await submit(request, script);
  await until(request, task, held);
  await signIn(page);
  for (const path of ["/", "/approvals", "/tasks", `/tasks/${task}`, "/audit", "/packs", "/cost", "/policy", "/settings"]) {
    await page.goto(path);
    await expect(page.getByRole("navigation", { name: "Pages" })).toBeVisible();
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await expect(page.getByText(/^Loading/)).toHaveCount(0);
    expect(await page.evaluate(() => ({ hurt: "hurt" in window, made: document.querySelectorAll("img[src=x], [onerror]").length })), path).toEqual({ hurt: false, made: 0 });
  }
  await page.goto("/approvals");
  await expect(page.getByRole("region", { name: "What will be done" })).toContainText("<img src=x onerror=");
  await page.keyboard.press("r");
  await until(request, task, over);
});

test("the overview leads whoever is new to what waits, with one button", async ({ page, request }) => {
  const task = await submit(request, "Map shows the wrong city");
  await until(request, task, held);
  await page.goto("/");
  await page.getByLabel("Username").fill(GRACE.username);
  await page.getByLabel("Password").fill(GRACE.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("link", { name: "Decide now" }).click();
  await page.getByRole("button", { name: "Approve" }).click();
  await until(request, task, over);
});

test("an open task's terms are changed past somebody else's change, and what its agent logged is read for a reason", async ({ page, request }) => {
  const task = await submit(request, "Invoices show the wrong year");
  await until(request, task, held);
  await signIn(page, `/tasks/${task}`);
  await page.getByRole("button", { name: "Edit", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Edit this task" });
  await dialog.getByLabel("Attempts at most").fill("7");
  const headers = { Authorization: `Bearer ${OPERATOR()}`, "If-Match": "*" };
  expect((await request.patch(`/api/v1/tasks/${task}`, { headers, data: { priority: "high" } })).status()).toBe(200);
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog.getByRole("status")).toContainText("changed priority to high meanwhile");
  await expect(dialog.getByLabel("Attempts at most")).toHaveValue("7");
  await expect(dialog.getByLabel("Priority")).toHaveValue("high");
  await dialog.getByRole("button", { name: "Save" }).click();
  await expect(dialog).toHaveCount(0);
  const facts = page.getByRole("region", { name: "Task", exact: true });
  await expect(facts).toContainText("high");
  await expect(facts).toContainText("1 of 7");
  await page.getByRole("button", { name: "Open the log" }).click();
  const log = page.getByRole("region", { name: "Log", exact: true });
  await log.getByRole("button", { name: "Read them" }).click();
  await log.getByLabel(/Reveal sealed/).fill("a wrong label");
  await log.getByRole("button", { name: "Reveal", exact: true }).click();
  await expect(log.getByRole("list", { name: "The agent's own lines" })).toContainText("triaged");
  await refuseAll(request);
  await until(request, task, over);
});
