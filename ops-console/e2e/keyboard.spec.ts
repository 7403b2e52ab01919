import { expect, type Page, test } from "@playwright/test";

import { signInByKeyboard, tabTo } from "./keyboard";
import { held, OPERATOR, refuseAll, submit, until } from "./system";
import { tap } from "./tapped";

const PAGES = ["Approvals", "Tasks", "Audit", "Cost", "Models", "Policy", "Packs", "Dead letters", "Settings", "Overview"];

/** The row, or whatever else, that the focus is on. */
const focused = (page: Page): Promise<string> => page.evaluate(() => document.activeElement?.textContent ?? "");

test("every page is a few keys from the next, and so is a task that is looked for", async ({ page, request }) => {
  const task = await submit(request, "Ostriches are missing from the list");
  await until(request, task, held);
  await signInByKeyboard(page);
  for (const name of PAGES) {
    await page.keyboard.press("Control+k");
    const palette = page.getByRole("dialog");
    await expect(palette.getByRole("combobox")).toBeFocused();
    await page.keyboard.type(name);
    await expect(palette.getByRole("option", { name: new RegExp(`^${name}`), selected: true })).toBeVisible();
    await page.keyboard.press("Enter");
    await expect(page.getByRole("heading", { name, level: 1 })).toBeVisible();
    await expect(palette).toHaveCount(0);
  }
  await page.keyboard.press("Control+k");
  await page.keyboard.type("ostriches");
  await expect(page.getByRole("option", { name: /Tasks that mention/ })).toBeVisible();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/q=ostriches/);
  await expect(page.getByRole("table", { name: "Tasks" }).getByRole("row").nth(1)).toHaveAttribute("data-row", task);
});

test("tasks are filtered, one is opened, its steps are gone through and sealed text is revealed, with the keyboard alone", async ({ page, request }) => {
  const task = await submit(request, "Pelicans swallow the export");
  await until(request, task, held);
  await signInByKeyboard(page, "/tasks");
  await page.keyboard.press("f");
  await page.keyboard.type("pelicans");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("table", { name: "Tasks" }).getByRole("row").nth(1)).toHaveAttribute("data-row", task);
  await page.keyboard.press("Escape");
  await tabTo(page, page.getByLabel("State"));
  await page.keyboard.type("waiting");
  await expect(page).toHaveURL(/state=waiting/);
  await tabTo(page, page.getByRole("table", { name: "Tasks" }).getByRole("row").nth(1));
  await page.keyboard.press("Enter");
  const call = page.getByRole("list", { name: "Steps" }).getByRole("button", { name: /simulated\/reader-1/ });
  await tabTo(page, call);
  await page.keyboard.press("Enter");
  await expect(call).toHaveAttribute("aria-expanded", "true");
  await tabTo(page, page.locator("summary").filter({ hasText: "call.requested" }));
  await page.keyboard.press("Enter");
  await tabTo(page, page.getByLabel(/because/).first());
  await page.keyboard.type("the reporter asks what we sent");
  await tabTo(page, page.getByRole("button", { name: "Reveal" }).first());
  await page.keyboard.press("Enter");
  await expect(page.getByRole("region", { name: "Before redaction" })).toContainText("alice.liddell@example.com");
});

test("what has the focus keeps it while events come, and nothing is said aloud of each of them", async ({ page, request }) => {
  const first = await submit(request, "Otters sort the wrong way");
  await until(request, first, held);
  await signInByKeyboard(page, "/tasks");
  const row = page.getByRole("table", { name: "Tasks" }).getByRole("row").nth(1);
  await tabTo(page, row);
  const before = await focused(page);
  expect(before).toContain("Otters sort the wrong way");
  await page.evaluate(() => {
    const said: string[] = [];
    Object.assign(window, { said });
    new MutationObserver((changes) => {
      for (const { target } of changes) {
        const region = (target instanceof Element ? target : target.parentElement)?.closest("[aria-live], [role=status], [role=alert], [role=log]");
        if (region != null) said.push(region.textContent);
      }
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  for (const title of ["Badgers dig too deep", "Foxes jump over dogs"]) await until(request, await submit(request, title), held);
  await expect(page.getByRole("button", { name: "2 new – show" })).toBeVisible();
  expect(await focused(page)).toContain("Otters sort the wrong way");
  await page.keyboard.press("n");
  await expect(page.getByRole("table", { name: "Tasks" }).getByRole("row").nth(3)).toHaveAttribute("data-row", first);
  expect(await focused(page)).toContain("Otters sort the wrong way");
  // Its state changes under the focus.
  await request.post(`/api/v1/tasks/${first}/cancel`, { headers: { Authorization: `Bearer ${OPERATOR()}` }, data: { reason: "the otters are fine" } });
  await expect(page.getByRole("table", { name: "Tasks" }).getByRole("row").nth(3)).toContainText("cancelled");
  expect(await focused(page)).toContain("Otters sort the wrong way");
  expect(await page.evaluate(() => (window as unknown as { said: string[] }).said)).toEqual([]);
});

test("an approval that has the focus keeps it when another one comes", async ({ page, request }) => {
  await refuseAll(request);
  await until(request, await submit(request, "Printing cuts the left margin"), held);
  await signInByKeyboard(page, "/approvals");
  const waiting = page.getByRole("list", { name: "Approvals" }).getByRole("button", { name: /Printing cuts the left margin/ });
  await tabTo(page, waiting);
  await until(request, await submit(request, "Search ignores what is in quotes"), held);
  await expect(page.getByRole("button", { name: /^\d+ new – show/ })).toBeVisible();
  await expect(waiting).toBeFocused();
});

test("twenty thousand events leave nothing behind in the page: no more elements, no marks, and few questions", async ({ page, request }) => {
  await until(request, await submit(request, "Storks bring the wrong parcel"), held);
  await tap(page);
  await signInByKeyboard(page, "/tasks");
  const row = page.getByRole("table", { name: "Tasks" }).getByRole("row").nth(1);
  await tabTo(page, row);
  const elements = (): Promise<number> => page.evaluate(() => document.querySelectorAll("*").length);
  const before = await elements();
  let asked = 0;
  page.on("request", () => asked++);
  await page.evaluate(async () => {
    const { flood } = window as unknown as { flood: () => void };
    for (let round = 0; round < 200; round++) {
      for (let event = 0; event < 100; event++) flood();
      await new Promise((turn) => requestAnimationFrame(turn));
    }
  });
  await page.waitForTimeout(1_000);
  expect(await focused(page)).toContain("Storks bring the wrong parcel");
  expect(await elements()).toBeLessThanOrEqual(before + 20);
  expect(asked).toBeLessThan(2_000);
  expect(await page.evaluate(() => performance.getEntriesByType("mark").length)).toBe(0);
});

test("of a task of five thousand steps those are drawn that can be seen, and the last is a key away", async ({ page, request }) => {
  const task = await submit(request, "Ants carry the whole page away");
  await until(request, task, held);
  await page.route(`**/api/v1/tasks/${task}/timeline*`, async (route) => {
    const answer = await route.fetch();
    const body = (await answer.json()) as { spans: Record<string, unknown>[] };
    const [root, some] = body.spans;
    const long = Array.from({ length: 5_000 }, (_, number) => ({ ...some, id: `step:${number}`, name: `step number ${number}`, kind: "step" }));
    await route.fulfill({ response: answer, json: { ...body, spans: [root, ...long] } });
  });
  await signInByKeyboard(page, `/tasks/${task}`);
  const steps = page.getByRole("list", { name: "Steps" });
  await expect(page.getByText("5,001 steps")).toBeVisible();
  expect(await steps.getByRole("listitem").count()).toBeLessThan(100);
  await tabTo(page, page.getByRole("region", { name: "Waterfall" }));
  await page.keyboard.press("End");
  await expect(steps.getByRole("button", { name: /step number 4999/ })).toBeVisible();
  expect(await steps.getByRole("listitem").count()).toBeLessThan(100);
  // The page may be asking once more just now: nobody waits for that answer.
  await page.unrouteAll({ behavior: "ignoreErrors" });
});
