import { fileURLToPath } from "node:url";
import { configDefaults, defineConfig } from "vitest/config";
import { gherkin } from "./test/features/gherkin/plugin.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

// Each server that a test starts loads the sources anew in its threads, or in a process of its own; what Node has
// stripped and compiled once need not be done again. Halves the processor time of test/features.
process.env.NODE_COMPILE_CACHE ??= here("./node_modules/.cache/node");

export default defineConfig({
  plugins: [gherkin(here("./test/features/run.ts"))],
  test: {
    include: ["test/**/*.test.ts", "test/features/*.feature"],
    exclude: [...configDefaults.exclude, "test/package/**"], // Has a configuration of its own.
    pool: "forks",
    maxWorkers: "100%", // By default one core stays idle, which on two is half of them.
    testTimeout: 30_000, // Most tests wait for a real server, on machines that may be busy.
    hookTimeout: 30_000,
    reporters: ["default", "./test/skips-reporter.ts"],
  },
});
