/** What can be said of a data file before it is opened. */
import { assertUnserved } from "./file/beside.ts";
import { realPathOf } from "./file/real-path.ts";
import { statOf } from "./file/whereabouts.ts";

/** Whether there is no data file, or an empty one. @throws TallyError STORE_UNAVAILABLE */
export async function isNewSqlite(path: string): Promise<boolean> {
  return (statOf(await realPathOf(path))?.size ?? 0n) === 0n;
}

/** See assertUnservedStore. @throws TallyError STORE_UNAVAILABLE */
export async function assertUnservedSqlite(path: string): Promise<void> {
  assertUnserved(await realPathOf(path));
}
