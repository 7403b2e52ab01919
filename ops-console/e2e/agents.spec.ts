import { expect, test } from "@playwright/test";
import path from "node:path";

import { violations } from "./accessibility";
import { OPERATOR, signIn } from "./system";

/** Where to put pictures, for whoever wants to look. */
const FOLDER = process.env["AGENTOS_SCREENSHOTS"];
const BEAT = "/api/v1/agents/night-crew/reader/heartbeat";

test("an agent that runs elsewhere is registered, comes, is paused, goes on and is taken off, before one's eyes", async ({ page, request }) => {
  const headers = { Authorization: `Bearer ${OPERATOR()}` };
  await signIn(page, "/packs?tab=agents");
  const table = page.getByRole("region", { name: "Table of agents" });
  await expect(table.getByRole("row", { name: /engineering\/triage/ })).toContainText("live");
  await page.getByRole("button", { name: "Register an agent" }).click();
  await page.getByLabel("Pack", { exact: true }).fill("night-crew");
  await page.getByLabel("Agent", { exact: true }).fill("reader");
  await page.getByLabel(/What is it for/).fill("Reads the tracker at night");
  await page.getByLabel(/Labels/).fill("site: north");
  await page.getByRole("button", { name: "Register", exact: true }).click();
  const row = table.getByRole("row", { name: /night-crew\/reader/ });
  await expect(row).toContainText("not seen yet");
  const beat = await request.post(BEAT, { headers, data: { instance: "box-1", version: "2.1", active: 1, max_active: 4 } });
  expect(beat.status(), await beat.text()).toBe(200);
  await expect(row).toContainText("live");
  await page.getByRole("button", { name: "Pause night-crew/reader" }).click();
  await page.getByLabel(/Why/).fill("a look at what it reads");
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await expect(row).toContainText("paused");
  expect(((await (await request.post(BEAT, { headers, data: {} })).json()) as { state: string }).state).toBe("paused");
  await page.getByRole("button", { name: "Resume night-crew/reader" }).click();
  await page.getByLabel(/Why/).fill("nothing was wrong");
  await page.getByRole("button", { name: "Resume", exact: true }).click();
  await expect(row).toContainText("live");

  await row.getByRole("button", { name: "night-crew/reader", exact: true }).click();
  const panel = page.getByRole("dialog", { name: "night-crew/reader" });
  await expect(panel.getByRole("region", { name: "Log" })).toContainText("paused by");
  await expect(panel.getByRole("region", { name: "Log" })).toContainText("came");
  for (const [scheme, width] of [["light", 1440], ["dark", 1440], ["light", 390], ["dark", 390]] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height: 900 });
    if (FOLDER !== undefined) await page.screenshot({ path: path.join(FOLDER, `agent-${scheme}-${width}.png`) });
    expect.soft(await violations(page), `${scheme}, ${width} px`).toEqual([]);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await panel.getByRole("button", { name: "Unregister…" }).click();
  await page.getByLabel(/Why/).fill("the crew is gone");
  await page.getByRole("button", { name: "Unregister", exact: true }).click();
  await expect(panel).toContainText("unregistered");
  await panel.getByRole("button", { name: "Close" }).click();
  await expect(row).toContainText("unregistered");
  for (const [scheme, width] of [["light", 1440], ["dark", 390]] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height: 900 });
    if (FOLDER !== undefined) await page.screenshot({ path: path.join(FOLDER, `agents-${scheme}-${width}.png`) });
    expect.soft(await violations(page), `${scheme}, ${width} px`).toEqual([]);
  }
});
