/**
 * Goal: a copy that is killed at any moment, and begun again, ends as one that nobody interrupted.
 *
 * Method: a store with all that it may keep, history too, is copied whole; then into another one by a process that gets SIGKILL a random time
 * after a random part, over and over, until one run comes to its end. Both copies are then compared with the source,
 * item by item, and with what callers can see.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { v7 } from "uuid";
import { expect, it, onTestFinished, vi } from "vitest";
import { Level } from "../../../src/core/levels.ts";
import { DEFAULT_RETENTION, type Purpose, type Store } from "../../../src/service/store.ts";
import { DEFAULT_HISTORY, type HistoryAnswer } from "../../../src/service/store-history.ts";
import { verifyCopy } from "../../../src/service/verify-copy.ts";
import { copyBetween } from "../../../src/store-tools.ts";
import { openStore } from "../../../src/stores/open.ts";
import { edgesOf } from "../../stores/conformance/history-expected.ts";
import { Following } from "../../stores/conformance/history-following.ts";
import { programOf } from "../../support/bundles/command.ts";
import { batch, commit, increment, remove, set, single } from "../../support/calls.ts";
import { HandClock } from "../../support/clock.ts";
import { folderInMemory } from "../../support/folder.ts";
import { Killer } from "./killer.ts";
import { freshSeed, seededRandom } from "./random.ts";

/** In which part of the copy it is killed, one run after another. */
const KILLED_IN = [
  ...["counters", "counters", "changes", "changes", "request ids"],
  ...["history", "history", "history", "verifying"],
];

it(`killed ${KILLED_IN.length} times, a copy is what it would have been`, async () => {
  const seed = Number(process.env.SEED ?? freshSeed());
  console.info(`seed ${seed}`);
  const random = seededRandom(seed);
  const folder = mkdtempSync(join(folderInMemory(), "tally-copy-"));
  const killer = new Killer();
  onTestFinished(async () => {
    await killer.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  const url = (name: string) => `sqlite:${join(folder, name)}`;
  await withStore(url("source"), "serve", fill, new HandClock());
  const whole = await copyBetween(url("source"), url("whole"), QUIETLY);

  const phases: string[] = [];
  for (const phase of KILLED_IN) {
    const when = { phase, parts: random.between(0, 2), afterMs: random.fraction() * 20 };
    phases.push(await copyAndKill(killer, [url("source"), url("killed")], when));
    await expect(withStore(url("killed"), "serve", async () => {})).rejects.toThrow("has not ended");
  }
  console.info(`killed in: ${phases.join(", ")}`);
  expect(await copyBetween(url("source"), url("killed"), QUIETLY)).toEqual({
    ...{ ...whole, resumed: true },
    to: expect.stringContaining("killed"),
  });

  expect(whole.history!.rows).toBeGreaterThan(15_000);
  await withStore(url("source"), "copyFrom", async (source) => {
    for (const name of ["whole", "killed"]) {
      await withStore(url(name), "serve", async (copy, clock) => {
        const { counters, sum, history } = whole;
        expect(await verifyCopy(source, copy), name).toMatchObject({ counters, sum, history });
        const { points } = await historyOf(copy, clock); // Nothing is left to be taken in.
        expect(points.closes.at(-1)).toBe(sum);
        expect(await commit(copy, ASKED_LAST)).toMatchObject([{ replayed: true, results: [{ value: 7n }] }]);
      });
    }
  });
});

const QUIETLY = { onProgress: () => {}, onNote: () => {}, signal: new AbortController().signal };

/** Run a copy, and kill it so long after so many parts of a phase. @returns the phase that it was in */
async function copyAndKill(
  killer: Killer,
  urls: readonly string[],
  when: { readonly phase: string; readonly parts: number; readonly afterMs: number },
): Promise<string> {
  const child = fork(programOf("test/proofs/crash/copier.ts"), urls, { stdio: "inherit" });
  let [left, phase] = [when.parts, "opening"];
  const reached = new Promise<void>((resolve) => {
    child.on("message", (message: { phase: string }) => {
      phase = message.phase;
      if (PHASES.indexOf(phase) >= PHASES.indexOf(when.phase) && left-- <= 0) resolve();
    });
    child.on("exit", () => resolve());
  });
  await reached;
  const ended = child.exitCode === null ? once(child, "exit") : undefined;
  if (child.exitCode === null) await killer.kill(child.pid!, when.afterMs);
  await ended;
  expect(phase, "it came to its end before it was killed: fill more").not.toBe("done");
  return phase;
}

const PHASES = ["opening", "catalogue", "counters", "changes", "request ids", "history", "verifying", "done"];

const ASKED_LAST = single(increment("last", 7n), { id: "last" });

/** Many parts of each kind; of history half is packed, half is not, and the last of it is not taken in. */
async function fill(store: Store, clock: HandClock): Promise<void> {
  const following = new Following(store, 5_000);
  for (let n = 0; n < 24; n++) {
    if (n === 12) {
      await historyOf(store, clock);
      clock.advance(3 * 3_600_000);
      while (await store.maintain());
    } else if (n === 21) {
      await historyOf(store, clock);
      await following.close();
    } else clock.advance(180_000);
    const names = Array.from({ length: 500 }, (_, i) => `page:${n * 500 + i}`);
    await commit(store, ...names.map((name) => single(increment(name, BigInt(n + 1)), { id: `${name}:id` })));
    const again = names.map((name, i) =>
      i % 9 === 0 ? set(name, BigInt(i), { note: "why" }) : increment(name),
    );
    await commit(store, batch(again, { id: `batch:${n}` }));
    await commit(
      store,
      ...names.slice(0, 20).map((name, i) => single(remove(name, { keepHistory: i % 2 === 0 }))),
    );
  }
  await commit(store, ASKED_LAST);
}

/** What history has of it all, once it has come so far. */
async function historyOf({ history }: Store, clock: HandClock): Promise<HistoryAnswer> {
  const all = { of: { prefix: "" }, level: Level.MINUTE };
  const edges = edgesOf(Level.MINUTE, Date.UTC(2026, 0, 1), clock.now());
  const complete = async () => {
    const latest = await history!.query({ ...all, edges: edges.slice(-2) }); // The whole day is much to add up.
    expect(latest).toMatchObject({ completeUntil: clock.now() });
  };
  await vi.waitFor(complete, { timeout: 240_000, interval: 10 });
  const answer = await history!.query({ ...all, edges });
  if ("points" in answer && answer.completeUntil === clock.now()) return answer;
  throw new Error("history was complete, and is not any more");
}

async function withStore(
  url: string,
  purpose: Purpose,
  work: (store: Store, clock: HandClock) => Promise<void>,
  clock = new HandClock(Date.UTC(2026, 0, 1, 8)),
): Promise<void> {
  const options = { clock, newUid: () => v7(), cachedCountersMax: 1_000, warn: () => {} };
  const kept = { retention: DEFAULT_RETENTION, history: DEFAULT_HISTORY };
  const store = await openStore(url, { ...options, ...kept, purpose });
  try {
    await work(store, clock);
  } finally {
    await store.close();
  }
}
