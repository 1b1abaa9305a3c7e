import { defineConfig } from "vitest/config";

/** Apart from `npm test`, because packing and installing takes longer than all of that should. */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["*.test.ts"],
    globalSetup: "./pack.ts",
    fileParallelism: false, // They install into one cache, and have the machine to themselves in turn.
    testTimeout: 240_000,
    hookTimeout: 480_000,
    reporters: ["default", "../skips-reporter.ts"],
  },
});
