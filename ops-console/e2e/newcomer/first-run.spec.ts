import { expect, test } from "@playwright/test";

import { held, over, submit, until } from "../system";

test("the first page makes the administrator; what waits for a person is one click away, and is approved with one more", async ({ page, request }) => {
  const task = await submit(request, "Checkout fails with a card");
  await until(request, task, held);
  await page.goto("/");
  await expect(page.getByRole("heading", { name: "Welcome", level: 1 })).toBeVisible();
  await page.getByLabel("Your name").fill("Grace H.");
  await page.getByLabel("Username").fill("grace");
  await page.getByRole("textbox", { name: "Password" }).fill("password1234");
  await page.getByRole("button", { name: "Create the administrator" }).click();
  await expect(page.getByRole("alert")).toContainText("tried first");
  await page.getByRole("textbox", { name: "Password" }).fill("quite another sentence");
  await page.getByRole("button", { name: "Create the administrator" }).click();
  await expect(page.getByRole("heading", { name: "Overview", level: 1 })).toBeVisible();
  await page.getByRole("region", { name: "Needs a person" }).getByRole("link", { name: /github\.comment/ }).click();
  await page.getByRole("button", { name: "Approve" }).click();
  await until(request, task, over);
  // Nobody is asked again, and the page knows who is there after a reload.
  await page.reload();
  await expect(page.getByRole("button", { name: "Sign out" })).toHaveAttribute("title", "Signed in as Grace H.");
});
