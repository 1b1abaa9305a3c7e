/**
 * Goal: a copy that is killed at any moment, and begun again, ends as one that nobody interrupted.
 *
 * Method: a store with a history is copied whole; then into another one by a process that gets SIGKILL a random time
 * after a random part, over and over, until one run comes to its end. Both copies are then compared with the source,
 * item by item, and with what callers can see.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { v7 } from "uuid";
import { expect, it, onTestFinished } from "vitest";
import { DEFAULT_RETENTION, type Purpose, type Store } from "../../../src/service/store.ts";
import { verifyCopy } from "../../../src/service/verify-copy.ts";
import { copyBetween } from "../../../src/store-tools.ts";
import { openStore } from "../../../src/stores/open.ts";
import { batch, commit, increment, remove, set, single } from "../../support/calls.ts";
import { HandClock } from "../../support/clock.ts";
import { folderInMemory } from "../../support/folder.ts";
import { Killer } from "./killer.ts";
import { freshSeed, seededRandom } from "./random.ts";

const KILLS = 8;

it(`killed ${KILLS} times, a copy is what it would have been`, { timeout: 240_000 }, async () => {
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
  await withStore(url("source"), "serve", fill);
  const whole = await copyBetween(url("source"), url("whole"), QUIETLY);

  const phases: string[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    const parts = random.between(0, 5);
    phases.push(await copyAndKill(killer, [url("source"), url("killed")], parts, random.fraction() * 20));
    await expect(withStore(url("killed"), "serve", async () => {})).rejects.toThrow("has not ended");
  }
  console.info(`killed in: ${phases.join(", ")}`);
  expect(await copyBetween(url("source"), url("killed"), QUIETLY)).toEqual({
    ...{ ...whole, resumed: true },
    to: expect.stringContaining("killed"),
  });

  await withStore(url("source"), "copyFrom", async (source) => {
    for (const name of ["whole", "killed"]) {
      await withStore(url(name), "serve", async (copy) => {
        expect(await verifyCopy(source, copy), name).toMatchObject({
          counters: whole.counters,
          sum: whole.sum,
        });
        expect(await commit(copy, ASKED_LAST)).toMatchObject([{ replayed: true, results: [{ value: 7n }] }]);
      });
    }
  });
});

const QUIETLY = { onProgress: () => {}, onNote: () => {}, signal: new AbortController().signal };

/** Run a copy, and kill it so long after so many parts. @returns the phase that it was in */
async function copyAndKill(
  killer: Killer,
  urls: readonly string[],
  parts: number,
  afterMs: number,
): Promise<string> {
  const child = fork(new URL("./copier.ts", import.meta.url), urls, { stdio: "inherit" });
  let [left, phase] = [parts, "opening"];
  const reached = new Promise<void>((resolve) => {
    child.on("message", (message: { phase: string }) => {
      phase = message.phase;
      if (left-- <= 0) resolve();
    });
    child.on("exit", () => resolve());
  });
  await reached;
  const ended = child.exitCode === null ? once(child, "exit") : undefined;
  if (child.exitCode === null) await killer.kill(child.pid!, afterMs);
  await ended;
  expect(phase, "it came to its end before it was killed: fill more").not.toBe("done");
  return phase;
}

const ASKED_LAST = single(increment("last", 7n), { id: "last" });

/** Many parts of each kind. */
async function fill(store: Store): Promise<void> {
  for (let n = 0; n < 40; n++) {
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

async function withStore(
  url: string,
  purpose: Purpose,
  work: (store: Store) => Promise<void>,
): Promise<void> {
  const options = { clock: new HandClock(), newUid: () => v7(), cachedCountersMax: 1_000, warn: () => {} };
  const store = await openStore(url, { ...options, retention: DEFAULT_RETENTION, purpose });
  try {
    await work(store);
  } finally {
    await store.close();
  }
}
