import { expect, test } from "@playwright/test";
import path from "node:path";

import { violations } from "./accessibility";
import { day } from "./day";
import { GRACE, held, signIn, submit, until } from "./system";

const PAGES = [
  ["overview", "Overview"], ["approvals", "Approvals"], ["tasks", "Tasks"], ["kill", "Kill switch"], ["audit", "Audit"],
  ["cost", "Cost"], ["models", "Models"], ["policy", "Policy"], ["packs", "Packs"], ["dead-letters", "Dead letters"], ["settings", "Settings"],
] as const;
const SIZES = [{ width: 1440, height: 900 }, { width: 390, height: 844 }];
/** Where `make screenshots` wants them; without it the pages are only looked at. */
const FOLDER = process.env["AGENTOS_SCREENSHOTS"];

test.beforeAll(({ request }) => day(request));

for (const scheme of ["light", "dark"] as const) {
  for (const size of SIZES) {
    test(`every page, ${scheme}, ${size.width} px wide: no violation, no error, nothing wider than the screen`, async ({ browser, request }) => {
      const task = await submit(request, "Checkout fails with a card");
      await until(request, task, held);
      const context = await browser.newContext({ viewport: size, colorScheme: scheme, reducedMotion: "reduce" });
      const page = await context.newPage();
      const errors: string[] = [];
      page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
      page.on("pageerror", (error) => errors.push(error.message));
      const look = async (name: string): Promise<void> => {
        // What is not there yet is written as an ellipsis.
        await expect(page.getByText("…", { exact: true })).toHaveCount(0);
        await expect(page.getByText(/^Loading/)).toHaveCount(0);
        // The live feed keeps the network busy for ever: what is drawn last are the charts' first figures.
        await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
        if (FOLDER !== undefined) await page.screenshot({ path: path.join(FOLDER, `${name}-${scheme}-${size.width}.png`) });
        expect.soft(await violations(page), name).toEqual([]);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        expect.soft(wide, `${name} is wider than the screen`).toBeLessThanOrEqual(0);
      };
      await page.goto("/");
      await expect(page.getByLabel("Username")).toBeVisible();
      await look("sign-in");
      await page.getByLabel("Username").fill(GRACE.username);
      await page.getByLabel("Password").fill(GRACE.password);
      await page.getByRole("button", { name: "Sign in", exact: true }).click();
      await expect(page.getByText("Live", { exact: true })).toBeVisible();
      for (const [name, title] of PAGES) {
        if (size.width < 768) await page.getByRole("button", { name: "Pages" }).click();
        await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: title }).click();
        await expect(page.getByRole("heading", { name: title, level: 1 })).toBeVisible();
        await look(name);
      }
      for (const section of ["People", "Sessions"]) {
        const link = page.getByRole("navigation", { name: "Settings" }).getByRole("link", { name: section });
        await link.click();
        // Her row stands in the section before as well.
        await expect(link).toHaveAttribute("aria-current", "page");
        await expect(page.getByRole("row", { name: /Grace/ }).first()).toBeVisible();
        await look(section.toLowerCase());
      }
      if (size.width < 768) await page.getByRole("button", { name: "Pages" }).click();
      await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Tasks" }).click();
      await page.getByRole("table", { name: "Tasks" }).getByRole("row").nth(1).click();
      await expect(page.getByRole("region", { name: "Timeline" })).toContainText("Attempt 1");
      await look("task");
      await page.getByRole("button", { name: "Stop", exact: true }).click();
      await look("stop");
      expect(errors).toEqual([]);
      await context.close();
    });
  }
}

test("hotkeys are silent while somebody types", async ({ page }) => {
  await signIn(page, "/tasks");
  await page.getByLabel("Search tasks").fill("");
  await page.getByLabel("Search tasks").pressSequentially("g a ! ?");
  await expect(page.getByRole("heading", { name: "Tasks", level: 1 })).toBeVisible();
  await expect(page.getByRole("dialog")).toHaveCount(0);
});
