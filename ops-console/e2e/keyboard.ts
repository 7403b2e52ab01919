import { expect, type Locator, type Page } from "@playwright/test";

import { GRACE } from "./system";

const MOST = 150;

/** Go there with the Tab key alone. */
export async function tabTo(page: Page, target: Locator): Promise<void> {
  await expect(target).toBeVisible();
  for (let press = 0; press < MOST; press++) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`the Tab key did not come to ${target.toString()} within ${MOST} presses`);
}

export async function signInByKeyboard(page: Page, at = "/"): Promise<void> {
  await page.goto(at);
  await tabTo(page, page.getByLabel("Username"));
  await page.keyboard.type(GRACE.username);
  await page.keyboard.press("Tab");
  await page.keyboard.type(GRACE.password);
  await page.keyboard.press("Enter");
  await expect(page.getByText("Live", { exact: true })).toBeVisible();
}
