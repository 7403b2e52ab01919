import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const gateway = process.env["AGENTOS_URL"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  build: {
    target: "es2022",
    // No data: URLs and no inline scripts: the page's policy allows neither.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  server: { proxy: { "/api": { target: gateway, ws: true } } },
  test: {
    environment: "jsdom",
    testTimeout: 60_000,
    hookTimeout: 60_000,
    include: ["src/**/*.test.{ts,tsx}"],
    // To make a document for each of these small files takes ten times as long as the files.
    pool: "threads",
    poolOptions: { threads: { singleThread: true, isolate: false } },
  },
});
