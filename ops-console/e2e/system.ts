import { expect, type APIRequestContext, type Page } from "@playwright/test";

function need(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`${name} is not set: run these through tests/console`);
  return value;
}

export const OPERATOR = (): string => need("AGENTOS_KEY");
/** Somebody else: who asks for a task may not approve what it does. */
export const SENDER = (): string => need("AGENTOS_SENDER_KEY");

/** A second person who may approve. */
export const SECOND = (): string => need("AGENTOS_SECOND_KEY");

/** The administrator, as tests/console makes them. */
export const GRACE = { username: "grace", password: "a long enough password" };

export async function signIn(page: Page, at = "/", key?: string): Promise<void> {
  await page.goto(at);
  if (key === undefined) {
    await page.getByLabel("Username").fill(GRACE.username);
    await page.getByLabel("Password").fill(GRACE.password);
  } else {
    await page.getByRole("button", { name: "Use an API key instead" }).click();
    await page.getByLabel("API key").fill(key);
  }
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await expect(page.getByRole("navigation", { name: "Pages" }).or(page.getByRole("button", { name: "Pages" })).first()).toBeVisible();
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
}

/** A real task of the demo's pack; its reply to the reporter is held until somebody decides. */
export async function submit(request: APIRequestContext, title: string, key = SENDER()): Promise<string> {
  const input = {
    action: "opened",
    issue: { number: 7, title, body: `${title}. Write to alice.liddell@example.com.`, user: { login: "alice" }, labels: [], html_url: "https://github.com/wonderland/teaparty/issues/7" },
    repository: { full_name: "wonderland/teaparty" },
  };
  const answer = await request.post("/api/v1/tasks", { headers: { Authorization: `Bearer ${key}` }, data: { type: "issue-triage", input, labels: { title } } });
  expect(answer.status(), await answer.text()).toBe(201);
  return ((await answer.json()) as { task: string }).task;
}

interface TaskRow { state: string; outcome: string | null; approvals: { state: string }[] }

export async function until(request: APIRequestContext, task: string, holds: (row: TaskRow) => boolean): Promise<void> {
  await expect(async () => {
    const answer = await request.get(`/api/v1/tasks/${task}`, { headers: { Authorization: `Bearer ${OPERATOR()}` } });
    const row = (await answer.json()) as TaskRow;
    expect(answer.ok() && holds(row), JSON.stringify({ state: row.state, outcome: row.outcome })).toBe(true);
  }).toPass({ timeout: 120_000 });
}

export const held = (row: TaskRow): boolean => row.approvals.some((each) => each.state === "pending");
export const over = (row: TaskRow): boolean => row.state === "settled";

/** What other specs left waiting in this installation is like what is asked here: the inbox begins empty. */
export async function refuseAll(request: APIRequestContext): Promise<void> {
  const headers = { Authorization: `Bearer ${OPERATOR()}` };
  const waiting = async (): Promise<{ id: string; digest: string }[]> =>
    ((await (await request.get("/api/v1/approvals?state=pending&limit=200", { headers })).json()) as { items: { id: string; digest: string }[] }).items;
  await expect(async () => {
    for (const { id, digest } of await waiting()) await request.post(`/api/v1/approvals/${id}/resolve`, { headers, data: { outcome: "rejected", digest } });
    expect(await waiting()).toEqual([]);
  }).toPass({ timeout: 120_000 });
}
