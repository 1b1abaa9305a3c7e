import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { gherkin } from "./test/features/gherkin/plugin.ts";

export default defineConfig({
  plugins: [gherkin(fileURLToPath(new URL("./test/features/run.ts", import.meta.url)))],
  test: {
    include: ["test/**/*.test.ts", "test/features/*.feature"],
    pool: "forks",
    reporters: ["default", "./test/skips-reporter.ts"],
  },
});
