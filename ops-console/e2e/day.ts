import { expect, type APIRequestContext } from "@playwright/test";

import { held, OPERATOR, over, submit, until } from "./system";

const ISSUES = [
  "Checkout fails with a card", "The export stops half-way", "Search finds nothing after an update", "The login page is blank", "Photos are upside down",
  "The invoice has the wrong total", "Attachments arrive twice by e-mail", "The calendar is a day off", "Notifications stay unread",
];

/** Some of a day's work, so that pages are looked at as they are used: tasks approved, refused, cancelled and waiting, a tool stopped and released, a drill. */
export async function day(request: APIRequestContext): Promise<void> {
  const headers = { Authorization: `Bearer ${OPERATOR()}` };
  const act = async (path: string, data: object): Promise<{ id: string }> => {
    const answer = await request.post(`/api/v1${path}`, { headers, data });
    expect(answer.ok(), `${path}: ${await answer.text()}`).toBe(true);
    return (await answer.json()) as { id: string };
  };
  const tasks = await Promise.all(ISSUES.map((title) => submit(request, title)));
  for (const task of tasks) await until(request, task, held);
  const { items } = (await (await request.get("/api/v1/approvals?state=pending&limit=100", { headers })).json()) as { items: { id: string; digest: string; task: string }[] };
  const decide = async (task: string, outcome: "approved" | "rejected", comment?: string): Promise<void> => {
    for (const { id, digest } of items.filter((each) => each.task === task)) await act(`/approvals/${id}/resolve`, { outcome, digest, ...(comment === undefined ? {} : { comment }) });
    await until(request, task, over);
  };
  for (const task of tasks.slice(0, 5)) await decide(task, "approved");
  for (const task of tasks.slice(5, 6)) await decide(task, "rejected", "We answer this one ourselves.");
  for (const task of tasks.slice(6, 7)) await act(`/tasks/${task}/cancel`, { reason: "reported twice" });
  const { id } = await act("/kill", { scope: "tool", target: "github.close", mode: "drain", reason: "closes the wrong issues" });
  await act(`/kill/${id}/release`, { reason: "mended in 1.4.2" });
  await act("/kill/drills", { reason: "weekly drill", rounds: 5 });
}
