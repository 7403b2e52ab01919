import { defineConfig } from "@playwright/test";

/** Against a system that already runs: tests/console starts it and says where it is. */
export default defineConfig({
  testDir: "e2e",
  workers: 1,
  timeout: 400_000,
  expect: { timeout: 45_000 },
  reporter: [["list"]],
  use: {
    baseURL: process.env["AGENTOS_URL"] ?? "http://127.0.0.1:8080",
    locale: "en-GB",
    timezoneId: "UTC",
    trace: "off",
    launchOptions: {
      executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    },
  },
});
