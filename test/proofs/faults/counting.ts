/**
 * Counts on a data file as fast as it can, taking the WAL into the file every few commits, and closing and opening it
 * every few of those, until it is killed. Beside it counts on counters that time does something to, which end and are
 * tidied meanwhile. Writes what it finds at each opening, and each value that is durable.
 */
import { writeSync } from "node:fs";
import { v7 } from "uuid";
import { toBatch } from "../../../src/service/call.ts";
import { DEFAULT_RETENTION } from "../../../src/service/store.ts";
import { holdLock } from "../../../src/stores/sqlite/file/lock.ts";
import { WriteConnection } from "../../../src/stores/sqlite/write/connection.ts";
import { answersOf, batch, create, increment, single } from "../../support/calls.ts";

const [path] = process.argv.slice(2);
const TIMED = {
  quota: { window: { everyMs: 1_000, anchorMs: 0 } },
  bucket: { min: 0n, max: 10n ** 9n, refill: { amount: 100n, everyMs: 1_000 } },
  idle: { idleTtlMs: 300n },
};
const moment = () => ({ now: Date.now(), monotonic: performance.now() });
const tell = (what: string, value: bigint | number) => writeSync(1, `${what} ${value}\n`);

for (let life = 0; ; life++) {
  const lock = holdLock(path!);
  const options = { retention: DEFAULT_RETENTION, cachedCountersMax: 100, startId: v7() };
  const connection = new WriteConnection(path!, options, moment());
  tell("open", life);
  const others = batch(
    Array.from({ length: 40 }, (_, i) => increment(`other/${life % 50}/${i}/${"x".repeat(150)}`)),
  );
  for (let commit = 1; commit <= 30; commit++) {
    const timed = Object.entries(TIMED).flatMap(([name, settings]) => [
      single(create(name, settings)), // Refused while there is one.
      single(increment(name)),
    ]);
    const asked = [single(increment("c")), others, ...timed];
    const [answer] = answersOf(asked, connection.commit(toBatch(asked), moment(), v7()));
    tell("value", (answer!.results[0] as { value: bigint }).value);
    if (commit % 7 === 0) connection.checkpoints.first();
    if (commit % 5 === 0) while (connection.maintain(moment(), () => {}));
  }
  connection.close(moment());
  tell("closed", life);
  lock.release();
}
