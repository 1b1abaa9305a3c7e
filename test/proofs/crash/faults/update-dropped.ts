/** Once in 10 changes of settings, it is answered and not saved. */
import { decideBatch as original } from "../../../../src/core/batch.ts";
import { now, replaceModule } from "./replace.ts";

export * from "../../../../src/core/batch.ts";

const drop = now(10);

export const decideBatch: typeof original = (batch, loaded, context) => {
  const { outcomes, save } = original(batch, loaded, context);
  const updated = [...save.fixed.keys()].filter((index) => loaded.counters[index] !== undefined);
  if (updated.length === 0 || !drop()) return { outcomes, save };
  const fixed = new Map([...save.fixed].filter(([index]) => loaded.counters[index] === undefined));
  return { outcomes, save: { ...save, fixed } };
};

replaceModule("src/core/batch.ts", import.meta.url);
