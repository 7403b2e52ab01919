import { expect, type Page } from "@playwright/test";

/** That an event of this type, with these words in it, is found in the audit. */
export async function audited(page: Page, type: string, ...words: string[]): Promise<void> {
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Audit" }).click();
  await page.getByLabel("Filter these events").fill(type);
  let found = page.getByRole("list", { name: "Events" }).getByRole("listitem").filter({ hasText: type });
  for (const each of words) found = found.filter({ hasText: each });
  await expect(found.first(), `${type} with ${words.join(", ")}`).toBeVisible();
}
