import { defineConfig } from "@playwright/test";

import base from "../playwright.config";

/** Measurements, not tests: `python -m bench.console_page` starts the system and says where it is. */
export default defineConfig(base, { testDir: ".", testMatch: "*.bench.ts", timeout: 600_000, reporter: [["line"]] });
