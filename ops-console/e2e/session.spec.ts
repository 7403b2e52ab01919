import { expect, test, type WebSocketRoute } from "@playwright/test";

import { GRACE, held, OPERATOR, signIn, submit, until } from "./system";

test("a wrong password is refused in words, and the right one lets in", async ({ page }) => {
  await page.goto("/");
  await page.getByLabel("Username").fill(GRACE.username);
  await page.getByLabel("Password").fill("not her password at all");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("alert")).toBeVisible();
  await expect(page.getByLabel("Username")).toHaveValue(GRACE.username);
  await page.getByLabel("Password").fill(GRACE.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
});

test("the identity provider's refusal is told in words", async ({ page }) => {
  await page.goto("/login?error=oidc_no_role");
  await expect(page.getByRole("status")).toContainText("has no role here");
  await page.getByLabel("Username").fill(GRACE.username);
  await page.getByLabel("Password").fill(GRACE.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Overview", level: 1 })).toBeVisible();
});

test("a reload keeps who is signed in, and signing out ends it for every tab", async ({ page, context }) => {
  await signIn(page, "/tasks");
  await page.reload();
  await expect(page.getByRole("heading", { name: "Tasks", level: 1 })).toBeVisible();
  const other = await context.newPage();
  await other.goto("/audit");
  await expect(other.getByRole("heading", { name: "Audit", level: 1 })).toBeVisible();
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByLabel("Username")).toBeVisible();
  await expect(other.getByRole("dialog", { name: "Sign in again" })).toBeVisible();
});

test("a session that is revoked elsewhere ends at once, and nothing that was typed is lost", async ({ page, request }) => {
  await signIn(page, "/tasks");
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  const dialog = page.getByRole("dialog", { name: "Stop" });
  await dialog.getByLabel("Why? It stands in the log.").fill("half a sentence");
  const headers = { Authorization: `Bearer ${OPERATOR()}` };
  const { items } = (await (await request.get("/api/v1/sessions?all=true", { headers })).json()) as { items: { id: string }[] };
  for (const { id } of items) expect((await request.delete(`/api/v1/sessions/${id}`, { headers })).ok()).toBe(true);
  const again = page.getByRole("dialog", { name: "Sign in again" });
  await expect(again.getByLabel("Username")).toHaveValue(GRACE.username);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await again.getByLabel("Password").fill(GRACE.password);
  await again.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(again).toHaveCount(0);
  await expect(dialog.getByLabel("Why? It stands in the log.")).toHaveValue("half a sentence");
});

test("a lost connection says so, and what happened meanwhile is caught up, once", async ({ page, context, request }) => {
  const sockets: WebSocketRoute[] = [];
  let down = false;
  await context.routeWebSocket(/\/api\/v1\/ws$/, (ws) => {
    if (down) return ws.close({ code: 4000 });
    ws.connectToServer();
    sockets.push(ws);
  });
  await signIn(page, "/approvals");
  down = true;
  for (const ws of sockets) await ws.close({ code: 4000 });
  await expect(page.getByText("Connection lost")).toBeVisible();
  const task = await submit(request, "Attachments arrive twice by e-mail");
  await until(request, task, held);
  down = false;
  await expect(page.getByText("Live", { exact: true })).toBeVisible({ timeout: 120_000 });
  const list = page.getByRole("list", { name: "Approvals" });
  const show = page.getByRole("button", { name: /new – show/ });
  await expect(list.getByText("Attachments arrive twice by e-mail").or(show).first()).toBeVisible();
  if (await show.isVisible()) await show.click();
  await expect(list.getByText(/Attachments arrive twice by e-mail/)).toHaveCount(1);
});

test("a network that is cut is noticed within seconds, and the inbox catches up", async ({ page, context, request }) => {
  await signIn(page, "/approvals");
  await context.setOffline(true);
  const task = await submit(request, "The calendar shows the wrong week");
  await until(request, task, held);
  await context.setOffline(false);
  await expect(page.getByText("Live", { exact: true })).toBeVisible({ timeout: 120_000 });
  await expect(page.getByRole("list", { name: "Approvals" }).getByText("The calendar shows the wrong week").or(page.getByRole("button", { name: /new – show/ })).first()).toBeVisible();
});

test("every event arrives once, in order, across a connection that is cut again and again", async ({ page, context, request }) => {
  const sockets: WebSocketRoute[] = [];
  const told = new Map<number, number>();
  await context.routeWebSocket(/\/api\/v1\/ws$/, (ws) => {
    const server = ws.connectToServer();
    server.onMessage((message) => {
      const frame = JSON.parse(String(message)) as { type: string; position: number };
      if (frame.type === "event") told.set(frame.position, (told.get(frame.position) ?? 0) + 1);
      ws.send(message);
    });
    sockets.push(ws);
  });
  await page.addInitScript(() => {
    const arrived: number[] = [];
    Object.assign(window, { arrived });
    new PerformanceObserver((list) => {
      for (const mark of list.getEntriesByName("agentos:event")) arrived.push(((mark as PerformanceMark).detail as { position: number }).position);
    }).observe({ entryTypes: ["mark"] });
  });
  await signIn(page, "/tasks");
  for (const title of ["Login page is blank", "Printing cuts the margins", "Search ignores accents"]) {
    const [task] = await Promise.all([submit(request, title), sockets.at(-1)?.close({ code: 4000 })]);
    await until(request, task, held);
    await expect(page.getByText("Live", { exact: true })).toBeVisible({ timeout: 120_000 });
  }
  expect(sockets.length).toBeGreaterThan(3);
  const headers = { Authorization: `Bearer ${OPERATOR()}` };
  const from = Math.min(...told.keys());
  await expect(async () => {
    const arrived = await page.evaluate(() => (window as unknown as { arrived: number[] }).arrived);
    const listed = await request.get(`/api/v1/events?limit=200&cursor=${from - 1}`, { headers });
    const stored = ((await listed.json()) as { items: { seq: number }[] }).items.map((each) => each.seq);
    expect(stored.length).toBeGreaterThan(10);
    expect(arrived.filter((position) => position <= Math.max(...stored))).toEqual(stored);
  }).toPass({ timeout: 120_000 });
});

test("a task is watched while it runs, and nobody reloads", async ({ page, request }) => {
  await signIn(page, "/tasks");
  const task = await submit(request, "The map loads twice");
  await page.goto(`/tasks/${task}`);
  await expect(page.getByRole("region", { name: "Timeline" })).toContainText("Attempt 1");
  await until(request, task, held);
  const headers = { Authorization: `Bearer ${OPERATOR()}` };
  const { items } = (await (await request.get("/api/v1/approvals?state=pending&limit=200", { headers })).json()) as { items: { id: string; task: string; digest: string }[] };
  const { id = "", digest } = items.find((each) => each.task === task) ?? {};
  const resolved = await request.post(`/api/v1/approvals/${id}/resolve`, { headers, data: { outcome: "approved", digest } });
  expect(resolved.ok(), await resolved.text()).toBe(true);
  await expect(page.getByText("completed", { exact: true }).first()).toBeVisible();
});

test("a token that ends while a form is filled is renewed unseen, and a session that ends is taken up where it was", async ({ page, request, context }) => {
  const sockets: WebSocketRoute[] = [];
  let down = false;
  await context.routeWebSocket(/\/api\/v1\/ws$/, (ws) => {
    if (down) return ws.close({ code: 4000 });
    ws.connectToServer();
    sockets.push(ws);
  });
  await page.clock.install();
  await signIn(page, "/settings/people");
  await page.getByRole("button", { name: "New person" }).click();
  const form = page.getByRole("dialog", { name: "New person" });
  await form.getByLabel("Name", { exact: true }).fill("Ines P.");
  const renewed = page.waitForResponse((answer) => answer.url().endsWith("/auth/refresh") && answer.ok());
  await page.clock.fastForward("09:30");
  await renewed;
  await form.getByLabel("Username").fill("ines");
  await form.getByLabel("Password").fill("three quite unlike words");
  // The session ends while what was typed is on its way, and the socket, which would say so first, is down.
  down = true;
  for (const ws of sockets) await ws.close({ code: 4000 });
  const sent: number[] = [];
  page.on("response", (answer) => answer.url().endsWith("/api/v1/users") && answer.request().method() === "POST" && sent.push(answer.status()));
  await page.route("**/api/v1/users", async (route) => {
    if (route.request().method() === "POST" && sent.length === 0) {
      const headers = { Authorization: `Bearer ${OPERATOR()}` };
      const { items } = (await (await request.get("/api/v1/sessions?all=true", { headers })).json()) as { items: { id: string }[] };
      for (const { id } of items) await request.delete(`/api/v1/sessions/${id}`, { headers });
    }
    await route.continue();
  });
  await form.getByRole("button", { name: "Make the account" }).click();
  const again = page.getByRole("dialog", { name: "Sign in again" });
  await again.getByLabel("Password").fill(GRACE.password);
  await again.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(again).toHaveCount(0);
  // It is done once the same person is back, without another click.
  await expect(page.getByRole("table").getByText("Ines P.")).toBeVisible();
  expect(sent).toEqual([401, 201]);
});

test("an account is made, locked out by wrong passwords in words, let in by a new one, watched, ended and deleted", async ({ page, browser }) => {
  await signIn(page, "/settings");
  await page.getByRole("navigation", { name: "Settings" }).getByRole("link", { name: "People" }).click();
  await page.getByRole("button", { name: "New person" }).click();
  const made = page.getByRole("dialog", { name: "New person" });
  await made.getByLabel("Name", { exact: true }).fill("Otto K.");
  await made.getByLabel("Username").fill("otto");
  await made.getByLabel("Password").fill("password1234");
  await made.getByRole("button", { name: "Make the account" }).click();
  await expect(made.getByRole("alert")).toContainText("tried first");
  await made.getByLabel("Password").fill("a plain long sentence");
  await made.getByRole("button", { name: "Make the account" }).click();
  await expect(made).toHaveCount(0);
  const row = page.getByRole("row", { name: /Otto K\./ });
  await expect(row).toContainText("new password due");

  const theirs = await (await browser.newContext()).newPage();
  await theirs.goto("/");
  const enter = async (password: string): Promise<void> => {
    await theirs.getByLabel("Username").fill("otto");
    await theirs.getByLabel("Password").fill(password);
    await theirs.getByRole("button", { name: "Sign in", exact: true }).click();
    await expect(theirs.getByRole("button", { name: "Sign in", exact: true })).toBeEnabled();
  };
  for (let wrong = 0; wrong < 6; wrong++) await enter(`a wrong password ${wrong}`);
  await enter("a plain long sentence");
  await expect(theirs.getByRole("alert")).toContainText(/too many sign-ins failed: wait \d+ s/);

  await page.getByRole("button", { name: "Set Otto K.’s password" }).click();
  const given = page.getByRole("dialog", { name: "A new password for Otto K." });
  await given.getByLabel("Password").fill("another plain sentence");
  await given.getByRole("button", { name: "Set it" }).click();
  await expect(given).toHaveCount(0);
  await theirs.getByLabel("Password").fill("another plain sentence");
  await theirs.getByRole("button", { name: "Sign in", exact: true }).click();
  await theirs.getByLabel("Password you signed in with").fill("another plain sentence");
  await theirs.getByRole("textbox", { name: "New password" }).fill("my very own sentence");
  await theirs.getByRole("button", { name: "Change it" }).click();
  await expect(theirs.getByText("Live", { exact: true })).toBeVisible();
  await expect(row).not.toContainText("new password due");

  await page.getByRole("navigation", { name: "Settings" }).getByRole("link", { name: "Sessions" }).click();
  await page.getByRole("row", { name: /Otto K\./ }).getByRole("button", { name: /^End/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "End it" }).click();
  await expect(theirs.getByRole("dialog", { name: "Sign in again" })).toBeVisible();
  await expect(page.getByRole("row", { name: /Otto K\./ })).toHaveCount(0);

  await page.getByRole("navigation", { name: "Settings" }).getByRole("link", { name: "People" }).click();
  await page.getByRole("button", { name: "Delete Otto K." }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
  await expect(row).toHaveCount(0);
  await page.getByRole("button", { name: "Disable Grace H." }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Disable", exact: true }).click();
  await expect(page.getByRole("dialog").getByRole("alert")).toContainText("last administrator");
});
