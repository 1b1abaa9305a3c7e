/** Once in 10 deletions, it is answered and not done. */
import { decideBatch as original } from "../../../../src/core/batch.ts";
import { now, replaceModule } from "./replace.ts";

export * from "../../../../src/core/batch.ts";

const drop = now(10);

export const decideBatch: typeof original = (...args) => {
  const { outcomes, save } = original(...args);
  const { deleted } = save;
  return { outcomes, save: { ...save, deleted: deleted.size > 0 && drop() ? new Map() : deleted } };
};

replaceModule("src/core/batch.ts", import.meta.url);
