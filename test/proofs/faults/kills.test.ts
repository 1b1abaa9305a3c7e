import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { v7 } from "uuid";
import { expect, test } from "vitest";
import { ChangeKind } from "../../../src/core/change.ts";
import { DEFAULT_RETENTION } from "../../../src/service/store.ts";
import { openStore } from "../../../src/stores/open.ts";
import { folder } from "../../cli/process/tally.ts";
import { allChanges } from "../../stores/conformance/changes.ts";
import { expectLogLeadsTo } from "../../stores/conformance/time-log.ts";
import { freshSeed, seededRandom } from "../crash/random.ts";
import { pause } from "../crash/server-process.ts";
import { FULL } from "./full.ts";

/**
 * Goal: what a kill leaves is never refused, wherever in a commit, a checkpoint, an opening or a closing it was, and
 * nothing that was durable is lost; and what time does to counters is written down once.
 *
 * Method: a process that does little else than checkpoints, openings and closings is killed at random moments, many of
 * them in its first opening; each next one goes on from what the one before had. 20 kills in CI, 300 in full; up to three
 * times as many where they met too little.
 */
const KILLS = FULL ? 300 : 20;

test(`a file opens after a kill, with all that was durable (${KILLS} kills)`, {
  timeout: KILLS * 30_000,
}, async () => {
  const seed = freshSeed();
  const random = seededRandom(seed);
  const path = join(folder(), "tally.db");
  let durable = 0n;
  let untold = 0n; // Each kill may have come between what was durable and telling so.
  const wrong: string[] = [];
  const seen = { openings: 0, values: 0, closings: 0 };
  let times = { rolls: 0, expiries: 0 };
  // On a slow machine little comes between a start and its kill: then there are more of them.
  const enough = () => seen.values > KILLS && times.rolls > 2 && times.expiries > 2;
  for (let kill = 0; kill < KILLS || (!enough() && kill < 3 * KILLS); kill++) {
    const where = `seed ${seed}, kill ${kill}`;
    const script = join(import.meta.dirname, "counting.ts");
    const child = spawn(process.execPath, [script, path], { stdio: ["ignore", "pipe", "pipe"] });
    let errors = "";
    child.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    const lines = createInterface({ input: child.stdout }).on("line", (line) => {
      const [what, value] = line.split(" ");
      if (what === "open") seen.openings++;
      if (what === "closed") seen.closings++;
      if (what !== "value") return;
      seen.values++;
      const now = BigInt(value!);
      if (now <= durable || now > durable + untold + 1n)
        wrong.push(`${where}: ${now} after ${durable}, untold ${untold}`);
      durable = now;
      untold = 0n;
    });
    const ended = once(child, "close");
    if (random.fraction() < 0.7) await Promise.race([once(lines, "line"), ended]);
    await pause(random.between(0, random.pick([30, 150, 400])));
    child.kill("SIGKILL");
    const [, signal] = await ended;
    expect([signal, errors, wrong], where).toEqual(["SIGKILL", "", []]);
    untold++;
    if (kill >= KILLS - 1 && (kill + 1) % 10 === 0) times = await timesWritten(path);
  }
  console.log(`seed ${seed}: ${JSON.stringify({ ...seen, ...times })}, ${durable} durable`);
  expect(seen.values).toBeGreaterThan(KILLS);
  expect(times.rolls).toBeGreaterThan(2);
  expect(times.expiries).toBeGreaterThan(2);
});

/** How many windows and counters ended, by the log: each once, and it leads to what the rows have. */
async function timesWritten(path: string): Promise<{ rolls: number; expiries: number }> {
  const store = await openStore(`sqlite:${path}`, {
    clock: { now: Date.now, monotonic: () => performance.now() },
    ...{ newUid: () => v7(), retention: DEFAULT_RETENTION, cachedCountersMax: 100, warn: () => {} },
    purpose: "copyFrom", // Rows as they are stored, as the log is.
  });
  try {
    await expectLogLeadsTo(store);
    const changes = await allChanges(store);
    const ended = (of: ChangeKind) =>
      changes.filter(({ kind }) => kind === of).map(({ uid, time }) => `${uid} ${time}`);
    const [rolls, expiries] = [ended(ChangeKind.ROLL), ended(ChangeKind.EXPIRE)];
    expect(new Set(rolls).size).toBe(rolls.length);
    expect(new Set(expiries.map((each) => each.split(" ")[0])).size).toBe(expiries.length);
    return { rolls: rolls.length, expiries: expiries.length };
  } finally {
    await store.close();
  }
}
