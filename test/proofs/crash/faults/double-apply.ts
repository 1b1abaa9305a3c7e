/** Once in 10 commits, a counter is incremented once more than was asked for. */
import { CORRUPT, decideBatch as original } from "../../../../src/core/batch.ts";
import { now, replaceModule } from "./replace.ts";

export * from "../../../../src/core/batch.ts";

const again = now(10);

export const decideBatch: typeof original = (batch, loaded, context) => {
  const { outcomes, save } = original(batch, loaded, context);
  const [first] = save.changed;
  const counter = first === undefined ? undefined : loaded.counters[first];
  if (
    first === undefined ||
    counter === undefined ||
    counter === CORRUPT ||
    counter.max !== undefined ||
    !again()
  ) {
    return { outcomes, save };
  }
  const values = save.values.slice();
  const revisions = save.revisions.slice();
  values[first]! += 1n;
  revisions[first]! += 1;
  return { outcomes, save: { ...save, values, revisions } };
};

replaceModule("src/core/batch.ts", import.meta.url);
