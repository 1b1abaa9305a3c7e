import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { join } from "node:path";
import { expect, test } from "vitest";
import { EXIT } from "../../../src/cli/exit.ts";
import { holdLock } from "../../../src/stores/sqlite/file/lock.ts";
import { type Ended, folder, serve, type Tally } from "../../cli/process/tally.ts";
import { freshSeed, seededRandom } from "../crash/random.ts";
import { pause } from "../crash/server-process.ts";
import { Caller } from "./calls.ts";
import { FULL } from "./full.ts";

/**
 * Goal: two processes never serve one file, however closely they start, and never do both give up.
 *
 * Method: start two at once, on a new file or on one whose server was just ended, and see that one serves and the
 * other says why it does not. 6 races in CI; `npm run test:faults` runs 100.
 */
const RACES = FULL ? 100 : 6;

test(`of two servers that start on one file one serves, and the other says one sentence (${RACES} races)`, {
  timeout: RACES * 60_000,
}, async () => {
  const seed = freshSeed();
  const random = seededRandom(seed);
  let path = "";
  let count = 0n;
  for (let race = 0; race < RACES; race++) {
    const where = `seed ${seed}, race ${race}`;
    if (race % 2 === 0) {
      path = join(folder(), "tally.db"); // A new file; the next race goes on with it.
      count = 0n;
    }
    const one = serve(["--store", `sqlite:${path}`]);
    await pause(random.between(0, 30));
    const two = serve(["--store", `sqlite:${path}`]);
    const starts = await Promise.all([startOf(one), startOf(two)]);
    expect(starts.filter(isReady).length, where).toBe(1);

    const { port, tally } = starts.find(isReady)!;
    const loser = starts.find((start) => !isReady(start)) as Ended;
    expect(loser.code, where).toBe(EXIT.STORE_IN_USE);
    expect(loser.stderr, where).toBe(
      `tally: ${path} is in use by another Tally process (${tally.child.pid}); stop that one, or give this one another file.\n`,
    );
    const caller = await Caller.on(port);
    expect(await caller.increment("races"), where).toBe(++count);
    caller.close();
    tally.child.kill(random.fraction() < 0.5 ? "SIGKILL" : "SIGTERM");
    await tally.ended;
  }
});

/**
 * Of two that reach for the lock in the same instant, each first holds it shared. The one that is to win meets the
 * shared lock of the one that is about to give up, and must outlast it: else both give up.
 */
test("a server that meets another one giving up gets the file", async () => {
  const path = join(folder(), "tally.db");
  holdLock(path).release(); // Makes the file.
  const module = createRequire(import.meta.url).resolve("better-sqlite3");
  const script = `
    const db = new (require(${JSON.stringify(module)}))(${JSON.stringify(`${path}-lock`)});
    db.exec("BEGIN; SELECT count(*) FROM sqlite_schema");
    console.log("held");
    setTimeout(() => db.exec("ROLLBACK"), 30);`;
  const other = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  await once(other.stdout, "data");
  const lock = holdLock(path);
  lock.release();
  await once(other, "close");
});

interface Ready {
  readonly port: number;
  readonly tally: Tally;
}

async function startOf(tally: Tally): Promise<Ready | Ended> {
  const ready = tally.logged("server.ready").then(({ port }) => ({ port: Number(port), tally }));
  ready.catch(() => {}); // It ended instead.
  return await Promise.race([ready, tally.ended]);
}

function isReady(start: Ready | Ended): start is Ready {
  return "port" in start;
}
