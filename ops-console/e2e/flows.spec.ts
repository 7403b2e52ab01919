import { readFile } from "node:fs/promises";

import { expect, test } from "@playwright/test";

import { held, over, SECOND, signIn, submit, until } from "./system";

test("an operator approves a held call with the keyboard alone, and its task completes", async ({ page, request }) => {
  const task = await submit(request, "Checkout fails with a card");
  await until(request, task, held);
  await signIn(page);
  await page.keyboard.press("g");
  await page.keyboard.press("a");
  await expect(page.getByRole("heading", { name: "Approvals", level: 1 })).toBeVisible();
  await expect(page.getByRole("region", { name: "What will be done" })).toContainText("Checkout fails with a card");
  await page.keyboard.press("a");
  await expect(page.getByText("github.comment approved")).toBeVisible();
  await until(request, task, over);
  await page.goto("about:blank");
});

test("a held call appears in the open inbox without moving what is there", async ({ page, request }) => {
  const first = await submit(request, "The invoice has the wrong total");
  await until(request, first, held);
  await signIn(page, "/approvals");
  const list = page.getByRole("list", { name: "Approvals" });
  await expect(list.getByRole("listitem").first()).toContainText("The invoice has the wrong total");
  const second = await submit(request, "Search finds nothing after an update");
  await until(request, second, held);
  await expect(page.getByRole("button", { name: "1 new – show" })).toBeVisible();
  await expect(list.getByRole("listitem").first()).toContainText("The invoice has the wrong total");
  await page.getByRole("button", { name: "1 new – show" }).click();
  await expect(list.getByRole("listitem").first()).toContainText("Search finds nothing after an update");
  await list.getByRole("button", { name: /Search finds nothing after an update/ }).click();
  await page.getByRole("button", { name: "Refuse" }).click();
  await until(request, second, over);
});

test("what is edited before approval is shown as a difference, and is what is approved", async ({ browser, page, request }) => {
  const task = await submit(request, "The export stops half-way");
  await until(request, task, held);
  await signIn(page, "/approvals");
  await expect(page.getByRole("region", { name: "What will be done" })).toContainText("The export stops half-way");
  await page.keyboard.press("e");
  const body = page.getByLabel("body");
  await body.fill("Thank you, we are on it. a r j k");
  await page.getByRole("button", { name: "Save edit" }).click();
  await expect(page.getByRole("region", { name: "What was changed" })).toContainText("Thank you, we are on it. a r j k");
  // Whoever edited it does not approve it: a second person does, in a browser of their own.
  await page.getByRole("button", { name: "Approve" }).click();
  await expect(page.getByText("approver.is_editor")).toBeVisible();
  const other = await browser.newContext();
  const second = await other.newPage();
  await signIn(second, "/approvals", SECOND());
  await expect(second.getByRole("region", { name: "What was changed" })).toContainText("Thank you, we are on it. a r j k");
  await second.getByRole("button", { name: "Approve" }).click();
  await until(request, task, over);
  await other.close();
});

test("everything is stopped from the header, the banner says so on every page, and a release takes it away", async ({ page, request }) => {
  await signIn(page);
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Stop" });
  await dialog.getByText("pack", { exact: true }).click();
  await dialog.getByLabel("Which pack?").fill("engineering");
  await dialog.getByLabel("Why? It stands in the log.").fill("a drill of the console");
  await expect(dialog.getByRole("status")).toContainText("will stop");
  await dialog.getByRole("button", { name: "Stop…" }).click();
  await dialog.getByRole("button", { name: "Yes, halt engineering" }).click();
  await expect(page.getByRole("alert").filter({ hasText: "pack engineering is stopped" })).toBeVisible();
  const stopped = await submit(request, "The login page is blank");
  await until(request, stopped, (row) => row.state !== "running");
  await page.keyboard.press("g");
  await page.keyboard.press("k");
  await page.getByLabel("Why release it?").fill("the drill is over");
  await page.getByRole("button", { name: "Release all" }).click();
  await expect(page.getByRole("alert").filter({ hasText: "is stopped" })).toHaveCount(0);
});

test("a task's timeline opens to its events, and sealed text is shown for a reason that the audit log keeps", async ({ page, request }) => {
  const task = await submit(request, "Photos are upside down");
  await until(request, task, held);
  await signIn(page, `/tasks/${task}`);
  await page.getByRole("button", { name: /simulated\/reader-1/ }).click();
  const prompt = page.getByRole("region", { name: "Prompt" });
  await expect(prompt.getByRole("region", { name: /After redaction/ })).toContainText("EMAIL");
  await expect(prompt).not.toContainText("alice.liddell@example.com");
  await prompt.getByLabel(/because/).fill("checking what the reporter wrote");
  await prompt.getByRole("button", { name: "Reveal" }).click();
  await expect(prompt.getByRole("region", { name: "Before redaction" }).locator("mark").filter({ hasText: "alice.liddell@example.com" })).toHaveAttribute("title", /EMAIL_\d+ stands for it/);
  const answer = page.getByRole("region", { name: "Answer" });
  await answer.getByLabel(/because/).fill("checking what the agent was told");
  await answer.getByRole("button", { name: "Reveal" }).click();
  await expect(answer.getByRole("region", { name: "As the provider gave it" })).toBeVisible();
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: "Audit" }).click();
  await page.getByLabel("Filter these events").fill("payload.revealed");
  await page.getByText("payload.revealed", { exact: true }).nth(0).click();
  await expect(page.getByText("checking what the agent was told").first()).toBeVisible();
  await page.getByText("payload.revealed", { exact: true }).nth(1).click();
  await expect(page.getByText("checking what the reporter wrote").first()).toBeVisible();
  const proof = page.getByRole("region", { name: /^Proof of event/ });
  // An event can be proved once a checkpoint signs it.
  await expect(async () => {
    await page.getByRole("button", { name: "Inclusion proof" }).nth(1).click();
    await expect(proof).toBeVisible({ timeout: 1_000 });
  }).toPass({ timeout: 120_000 });
  const saving = page.waitForEvent("download");
  await proof.getByRole("button", { name: "Download the proof" }).click();
  const saved = await saving;
  expect(saved.suggestedFilename()).toMatch(/^agentos-proof-\d+\.json$/);
  expect(JSON.parse(await readFile(await saved.path(), "utf8"))).toMatchObject({ format: "agentos-audit-inclusion" });
  await page.getByRole("button", { name: "Verify the chain" }).click();
  await expect(page.getByText("whole", { exact: true })).toBeVisible({ timeout: 120_000 });
});
