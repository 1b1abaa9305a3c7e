/** A process that serves a store to nobody and settles its counters, and tells after every slice. Killed by sweep.test.ts. */
import { v7 } from "uuid";
import { DEFAULT_RETENTION } from "../../../src/service/store.ts";
import { openStore } from "../../../src/stores/open.ts";
import { SYSTEM_CLOCK } from "../../../src/system-clock.ts";

const options = { newUid: () => v7(), cachedCountersMax: 1_000, warn: () => {} };
const store = await openStore(process.argv[2]!, {
  ...{ ...options, clock: SYSTEM_CLOCK, retention: DEFAULT_RETENTION },
});
do process.send!("slice");
while (await store.maintain());
await store.close();
process.send!("done");
process.disconnect();
