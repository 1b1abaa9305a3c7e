/** Once in 20 reads, a counter is shown as it was when it was read the time before. */
import { toFullCounter as original } from "../../../../src/stores/sqlite/rows/rows.ts";
import { now, replaceModule } from "./replace.ts";

export * from "../../../../src/stores/sqlite/rows/rows.ts";

const stale = now(20);
const before = new Map<string, ReturnType<typeof original>>();

export const toFullCounter: typeof original = (raw) => {
  const fresh = original(raw);
  const shown = stale() ? (before.get(raw.name) ?? fresh) : fresh;
  before.set(raw.name, fresh);
  return shown;
};

replaceModule("src/stores/sqlite/rows/rows.ts", import.meta.url);
