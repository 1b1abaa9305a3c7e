/** Once in 10 commits, one counter of a batch is not saved. */
import { decideBatch as original } from "../../../../src/core/batch.ts";
import { now, replaceModule } from "./replace.ts";

export * from "../../../../src/core/batch.ts";

const halve = now(10);

export const decideBatch: typeof original = (...args) => {
  const { outcomes, save } = original(...args);
  return { outcomes, save: halve() ? { ...save, changed: save.changed.slice(1) } : save };
};

replaceModule("src/core/batch.ts", import.meta.url);
