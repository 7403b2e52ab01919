import { expect, test } from "@playwright/test";

import { signInByKeyboard, tabTo } from "./keyboard";
import { OPERATOR, submit, until } from "./system";

interface Called { calls: { state: string; outcome: string | null }[] }

const PAGES = [["o", "Overview"], ["a", "Approvals"], ["t", "Tasks"], ["u", "Audit"], ["c", "Cost"], ["m", "Models"], ["p", "Policy"], ["x", "Packs"], ["d", "Dead letters"], ["s", "Settings"]] as const;

test("a call in flight is stopped, seen to stop, and its pack released, with the keyboard alone; every page says so meanwhile", async ({ page, request }) => {
  const task = await submit(request, "Checkout fails with a card");
  const called = async (): Promise<Called> => (await (await request.get(`/api/v1/tasks/${task}`, { headers: { Authorization: `Bearer ${OPERATOR()}` } })).json()) as Called;
  // Whether the ledger has the task yet is another matter: until then the answer says that there is none.
  await until(request, task, () => true);
  await expect.poll(async () => (await called()).calls.map((each) => each.state)).toEqual(["allowed"]);
  await signInByKeyboard(page, "/tasks");

  await page.keyboard.press("!");
  const dialog = page.getByRole("dialog", { name: "Stop" });
  await tabTo(page, dialog.getByRole("radio", { name: "everything" }));
  for (const scope of ["tenant", "pack"]) {
    await page.keyboard.press("ArrowRight");
    await expect(dialog.getByRole("radio", { name: scope })).toBeChecked();
  }
  await tabTo(page, dialog.getByLabel("Which pack?"));
  await page.keyboard.type("engineering");
  await tabTo(page, dialog.getByLabel("Why? It stands in the log."));
  await page.keyboard.type("answers strangers");
  await expect(dialog.getByRole("status")).toContainText("1 unsettled task will stop");
  await page.keyboard.press("Enter");
  await expect(dialog.getByRole("button", { name: "Yes, halt engineering" })).toBeVisible();
  await page.keyboard.press("Enter");

  const stopped = page.getByRole("list", { name: "What stopped and what did not" });
  await expect(stopped.getByRole("listitem").filter({ hasText: "model call of engineering/triage" })).toContainText("stopped");
  await expect(stopped.getByText("not confirmed")).toHaveCount(0);
  expect((await called()).calls.map((each) => each.state)).toEqual(["settled"]);
  const banner = page.getByRole("alert").filter({ hasText: "pack engineering is stopped" });
  for (const [key, title] of PAGES) {
    await page.keyboard.press("g");
    await page.keyboard.press(key);
    await expect(page.getByRole("heading", { name: title, level: 1 })).toBeVisible();
    await expect(banner).toContainText("answers strangers");
  }

  await tabTo(page, banner.getByRole("link", { name: "See what stopped, release" }));
  await page.keyboard.press("Enter");
  await tabTo(page, page.getByLabel("Why release it?"));
  await page.keyboard.type("it asks first now");
  await tabTo(page, page.getByRole("button", { name: "Release all" }));
  await page.keyboard.press("Enter");
  await expect(banner).toHaveCount(0);
});
