import { type APIRequestContext, expect, type Locator, type Page, test } from "@playwright/test";

import { audited } from "./audit";
import { held, signIn, submit, until } from "./system";

async function settings(page: Page, section: string): Promise<void> {
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Settings" }).click();
  await page.getByRole("navigation", { name: "Settings" }).getByRole("link", { name: section }).click();
}

/** The key that the dialog shows, which is shown nowhere again. */
async function taken(page: Page, name: string): Promise<string> {
  const shown = page.getByRole("dialog", { name: `The key of ${name}` });
  const key = await shown.getByLabel("The new key").inputValue();
  await shown.getByRole("button", { name: "Done" }).click();
  await page.reload();
  await expect(page.getByRole("row", { name: new RegExp(name) })).toBeVisible();
  expect(await page.content()).not.toContain(key);
  return key;
}

async function revoke(page: Page, name: string): Promise<void> {
  await page.getByRole("button", { name: `Revoke ${name}` }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke", exact: true }).click();
  await expect(page.getByText(`${name} is revoked`)).toBeVisible();
  await expect(page.getByRole("row", { name: new RegExp(name) })).toHaveCount(0);
}

test("a key of the API is shown once, opens what it may, and nothing once it is revoked", async ({ page, request }) => {
  await signIn(page, "/settings");
  await page.getByRole("button", { name: "New key" }).click();
  const form = page.getByRole("dialog", { name: "New key" });
  await form.getByLabel("Who or what will use it?").fill("Nightly export");
  await form.getByRole("button", { name: "Make key" }).click();
  const key = await taken(page, "Nightly export");
  const headers = { Authorization: `Bearer ${key}` };
  expect((await request.get("/api/v1/tasks", { headers })).status()).toBe(200);
  expect((await request.post("/api/v1/kill/drills", { headers, data: { reason: "not a viewer's" } })).status()).toBe(403);
  await revoke(page, "Nightly export");
  expect((await request.get("/api/v1/tasks", { headers })).status()).toBe(401);
  await audited(page, "apikey.changed", "created", "Nightly export");
  await audited(page, "apikey.changed", "revoked", "Nightly export");
});

test("a virtual key is shown once, calls the model that it names and no other, and none once it is revoked", async ({ page, request }) => {
  await signIn(page, "/settings");
  await page.getByRole("button", { name: "New key" }).click();
  const form = page.getByRole("dialog", { name: "New key" });
  await form.getByText("The governed endpoint", { exact: true }).click();
  await form.getByLabel("Who or what will use it?").fill("Editor plugin");
  await form.getByLabel("Its calls count as this pack's").fill("editors");
  await form.getByLabel("Models (every one when empty)").fill("simulated/reader-1");
  await form.getByRole("button", { name: "Make key" }).click();
  const key = await taken(page, "Editor plugin");
  const call = async (model: string): Promise<number> =>
    (await request.post("/v1/chat/completions", { headers: { Authorization: `Bearer ${key}` }, data: { model, messages: [{ role: "user", content: "Say one thing." }] } })).status();
  expect(await call("simulated/reader-1")).toBe(200);
  expect(await call("simulated/reader-2")).toBe(404);
  await revoke(page, "Editor plugin");
  expect(await call("simulated/reader-1")).toBe(401);
  await audited(page, "apikey.changed", "created", "Editor plugin", "editors");
  await audited(page, "apikey.changed", "revoked", "Editor plugin");
});

test("what is asked of a paused pack waits, and runs once it goes on", async ({ page, request }) => {
  await signIn(page, "/packs");
  const change = async (verb: "Pause" | "Resume", why: string): Promise<void> => {
    await page.getByRole("button", { name: `${verb} engineering`, exact: true }).click();
    const dialog = page.getByRole("dialog", { name: `${verb} engineering` });
    await dialog.getByLabel("Why? It stands in the log.").fill(why);
    await dialog.getByRole("button", { name: verb, exact: true }).click();
    await expect(dialog).toHaveCount(0);
  };
  await change("Pause", "its prompts are being changed");
  await expect(page.getByRole("button", { name: "Resume engineering", exact: true })).toBeVisible();
  const task = await submit(request, "Checkout fails with a card");
  await until(request, task, (row) => !["submitted", "running"].includes(row.state));
  await page.goto(`/tasks/${task}`);
  const timeline = page.getByRole("region", { name: "Timeline" });
  await expect(timeline).toContainText("Queued for attempt 1");
  await expect(timeline).not.toContainText("Attempt 1");
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Packs" }).click();
  await change("Resume", "the prompts are new");
  await until(request, task, held);
  await audited(page, "agent.changed", "paused", "its prompts are being changed");
  await audited(page, "agent.changed", "resumed", "the prompts are new");
});

test("a dead letter is tried again, and another discarded for a reason", async ({ page }) => {
  await signIn(page, "/deadletters");
  const letter = (name: string): Locator => page.getByRole("row", { name: new RegExp(`cmd\\.orchestrator\\.cancel\\.${name}`) });
  await expect(letter("first")).toHaveCount(1);
  await letter("first").getByRole("button", { name: "unknown_schema" }).click();
  const open = page.getByRole("dialog", { name: "unknown_schema" });
  await expect(open).toContainText("upgrade the older side");
  await open.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByText("The message is tried again")).toBeVisible();
  // Nobody has been upgraded: what fails again is a dead letter of its own.
  await page.getByLabel("State").selectOption("tried again");
  await expect(letter("first")).toHaveCount(1);
  await page.getByLabel("State").selectOption("open");
  await expect(letter("first")).toHaveCount(1);
  await letter("second").getByRole("checkbox").check();
  await page.getByRole("button", { name: "Discard…" }).click();
  const why = page.getByRole("dialog", { name: "Discard this message?" });
  await why.getByLabel("Why? It stands in the log.").fill("a canary's, long over");
  await why.getByRole("button", { name: "Discard", exact: true }).click();
  await expect(letter("second")).toHaveCount(0);
  await page.getByLabel("State").selectOption("discarded");
  await expect(letter("second")).toContainText("a canary's, long over");
  await audited(page, "deadletter.settled", "retried");
  await audited(page, "deadletter.settled", "discarded", "a canary's, long over");
});

test("a source's test is signed as its sender signs, and becomes a task", async ({ page, request }) => {
  await signIn(page, "/");
  await settings(page, "Webhook sources");
  await page.getByRole("button", { name: "Test tracker" }).click();
  const dialog = page.getByRole("dialog", { name: "Test tracker" });
  await dialog.getByLabel("Payload").fill("{ half a payload");
  await dialog.getByRole("button", { name: "Send the test" }).click();
  await expect(dialog.getByRole("alert")).toContainText("This is no JSON");
  const issue = { number: 8, title: "The calendar is a day off", body: "Since Monday.", user: { login: "alice" }, labels: [], html_url: "https://github.com/wonderland/teaparty/issues/8" };
  await dialog.getByLabel("Payload").fill(JSON.stringify({ issue, repository: { full_name: "wonderland/teaparty" } }));
  await dialog.getByRole("button", { name: "Send the test" }).click();
  await expect(dialog.getByRole("status")).toContainText("The signature holds. It became task");
  const task = (await dialog.getByRole("status").getByRole("link").getAttribute("href"))?.split("/").at(-1) ?? "";
  await until(request, task, held);
  await dialog.getByRole("status").getByRole("link").click();
  await expect(page.getByRole("region", { name: "Timeline" })).toContainText("github.comment");
  await audited(page, "delivery.received", "tracker", task);
});

test("an account is disabled, let in again and given another role, and each of it holds at once", async ({ page, browser, request }) => {
  await signIn(page, "/");
  await settings(page, "People");
  await page.getByRole("button", { name: "New person" }).click();
  const made = page.getByRole("dialog", { name: "New person" });
  await made.getByLabel("Name", { exact: true }).fill("Nora V.");
  await made.getByLabel("Username").fill("nora");
  await made.getByLabel("Password").fill("four quite unlike words");
  await made.getByLabel("They choose their own when they sign in").uncheck();
  await made.getByRole("button", { name: "Make the account" }).click();
  await expect(made).toHaveCount(0);
  const theirs = await (await browser.newContext()).newPage();
  await theirs.goto("/");
  await theirs.getByLabel("Username").fill("nora");
  await theirs.getByLabel("Password").fill("four quite unlike words");
  await theirs.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(theirs.getByText("Live", { exact: true })).toBeVisible();

  await page.getByRole("button", { name: "Disable Nora V." }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Disable", exact: true }).click();
  await expect(theirs.getByRole("dialog", { name: "Sign in again" })).toBeVisible();
  expect(await token(request)).toBeNull();
  await page.getByRole("button", { name: "Enable Nora V." }).click();
  await expect(page.getByText("Nora V. may sign in again")).toBeVisible();

  const bearer = await token(request);
  const drill = async (): Promise<number> => (await request.post("/api/v1/kill/drills", { headers: { Authorization: `Bearer ${bearer ?? ""}` }, data: { reason: "may I?", rounds: 1 } })).status();
  expect(await drill()).toBe(403);
  await page.getByRole("button", { name: "Edit Nora V." }).click();
  const edit = page.getByRole("dialog", { name: "Edit Nora V." });
  await edit.getByRole("checkbox", { name: /^viewer/ }).uncheck();
  await edit.getByRole("checkbox", { name: /^operator/ }).check();
  await edit.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Nora V. is now operator")).toBeVisible();
  expect(await drill()).toBeLessThan(300);
  for (const change of ["disabled", "enabled", "updated"]) await audited(page, "user.changed", `"${change}"`);
});

/** Nora's, as her own program would get it; null where she is refused. */
async function token(request: APIRequestContext): Promise<string | null> {
  const answer = await request.post("/api/v1/auth/login", { data: { username: "nora", password: "four quite unlike words" } });
  return answer.ok() ? ((await answer.json()) as { access_token: string }).access_token : null;
}
