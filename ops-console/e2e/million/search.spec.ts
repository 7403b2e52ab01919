import { expect, type Page, test } from "@playwright/test";

import { signIn, submit } from "../system";

const table = (page: Page) => page.getByRole("table", { name: "Tasks" });
const rows = (page: Page) => table(page).getByRole("row").filter({ hasText: "never came" });

async function search(page: Page, words: string): Promise<void> {
  const field = page.getByRole("searchbox", { name: "Search tasks" });
  await field.fill(words);
  await field.press("Enter");
}

test("among a million tasks one is found by its number, many by a word that all have, and one that has just come in", async ({ page, request }) => {
  await signIn(page, "/tasks");
  await expect(rows(page).first()).toContainText("Parcel 1000000 never came");

  await search(page, "issue 777777");
  await expect(rows(page)).toHaveCount(1);
  await expect(rows(page)).toContainText("Parcel 777777 never came");

  await search(page, "parcel");
  await page.getByLabel("Outcome").selectOption("failed");
  await expect(rows(page).first()).toContainText("failed");
  await expect(rows(page).filter({ hasText: "Completed" })).toHaveCount(0);
  await page.getByRole("button", { name: "Cost" }).click();
  await expect(rows(page).first()).toContainText(/US\$(0\.99|1\.00)/);

  // The end of what was fetched is never reached: more is there before one comes to it.
  await table(page).evaluate((box) => box.scrollTo(0, 3_000));
  await expect.poll(() => rows(page).first().getAttribute("aria-rowindex").then(Number)).toBeGreaterThan(50);

  await page.getByRole("button", { name: "Clear" }).click();
  await submit(request, "The voucher is not accepted");
  await search(page, "voucher accepted");
  await expect(table(page).getByRole("row").filter({ hasText: "The voucher is not accepted" })).toHaveCount(1);
  await page.screenshot({ path: process.env["MILLION_SHOT"] ?? "test-results/million.png" });
});
