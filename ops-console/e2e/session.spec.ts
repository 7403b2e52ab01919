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
  await again.getByLabel("Username").fill(GRACE.username);
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
  await expect(page.getByText("Connection lost", { exact: true })).toBeVisible();
  const task = await submit(request, "Attachments arrive twice by e-mail");
  await until(request, task, held);
  down = false;
  await expect(page.getByText("Live", { exact: true })).toBeVisible({ timeout: 30_000 });
  const list = page.getByRole("list", { name: "Approvals" });
  const show = page.getByRole("button", { name: /new – show/ });
  await expect(list.getByText("Attachments arrive twice by e-mail").or(show).first()).toBeVisible();
  if (await show.isVisible()) await show.click();
  await expect(list.getByText(/Attachments arrive twice by e-mail/)).toHaveCount(1);
});
