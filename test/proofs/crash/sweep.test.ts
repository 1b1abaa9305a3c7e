/**
 * Goal: a sweep that is killed at any moment goes on after the next start, and each counter is settled once.
 *
 * Method: counters are made under one policy, which is then lowered; a process that settles them gets SIGKILL a random time
 * after a random slice, over and over, until one comes to its end. Each counter then has what the policy says, one
 * settings revision more and one change by the policy; those beyond the new bound have their value for it.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { v7 } from "uuid";
import { expect, it, onTestFinished } from "vitest";
import { DEFAULTS } from "../../../src/core/settings.ts";
import { Policies } from "../../../src/service/policies.ts";
import { DEFAULT_RETENTION, type Store } from "../../../src/service/store.ts";
import { openStore } from "../../../src/stores/open.ts";
import { SYSTEM_CLOCK } from "../../../src/system-clock.ts";
import { programOf } from "../../support/bundles/command.ts";
import { batch, commit, increment } from "../../support/calls.ts";
import { folderInMemory } from "../../support/folder.ts";
import { describeWith } from "../../support/needs.ts";
import { underHandClock } from "../../support/postgres/hand-clock.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { newSchema, sharedPostgres } from "../../support/postgres/shared.ts";
import { Killer } from "./killer.ts";
import { freshSeed, seededRandom } from "./random.ts";

const KILLS = 6;
const COUNTERS = Number(process.env.COUNTERS ?? 8_000);

const NAME = `killed ${KILLS} times, a sweep settles each counter once`;

it(`on SQLite: ${NAME}`, { timeout: 600_000 }, () => {
  const folder = mkdtempSync(join(folderInMemory(), "tally-sweep-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return sweeps({ url: `sqlite:${join(folder, "tally.db")}`, sliceMax: 64, passed: async () => {} });
});

describeWith([POSTGRES], "on PostgreSQL, by one process after another", () => {
  it(NAME, { timeout: 600_000 }, async () => {
    const clock = await underHandClock((await sharedPostgres()).url({ schema: newSchema() }));
    onTestFinished(() => clock.end());
    let now = Date.now();
    const passed = () => {
      now += 20_000; // Then another may take over.
      return clock.set(now);
    };
    await passed();
    await sweeps({ url: clock.url, sliceMax: 200, passed });
  });
});

/**
 * @param store.sliceMax  how many a slice settles at most
 * @param store.passed    has so much time pass that what was killed is known to be gone
 */
async function sweeps({ url, sliceMax, passed }: { url: string; sliceMax: number; passed(): Promise<void> }) {
  const seed = Number(process.env.SEED ?? freshSeed());
  console.info(`seed ${seed}`);
  const random = seededRandom(seed);
  const killer = new Killer();
  onTestFinished(() => killer.close());
  await withStore(url, async (store) => {
    await new Policies(store.catalogue!).set("n:", { ...DEFAULTS, max: 9n }, "enforce");
    for (let from = 0; from < COUNTERS; from += 4_000) {
      const names = Array.from({ length: Math.min(4_000, COUNTERS - from) }, (_, i) => nameOf(from + i));
      await commit(store, batch(names.map((name, i) => increment(name, BigInt(1 + ((from + i) % 9))))));
    }
    await new Policies(store.catalogue!).set("n:", { ...DEFAULTS, max: 5n }, "enforce");
  });

  const settled: number[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    const slices = random.between(1, Math.floor(COUNTERS / sliceMax / (KILLS + 2)));
    await sweepAndKill(killer, url, slices, random.fraction() * 5);
    await passed();
    await withStore(url, async (store) => {
      const { applied, remaining } = await store.policies!.progress("n:");
      expect(applied + remaining).toBe(COUNTERS);
      settled.push(applied);
    });
  }
  console.info(`settled after each: ${settled.join(", ")}`);
  expect(settled).toEqual([...settled].sort((a, b) => a - b));
  expect(settled.at(-1)).toBeLessThan(Math.floor((COUNTERS * 5) / 9));

  await withStore(url, async (store) => {
    while (await store.maintain());
    const held = Array.from({ length: COUNTERS }, (_, i) => 1 + (i % 9)).filter((value) => value > 5).length;
    expect(await store.policies!.progress("n:")).toEqual({ applied: COUNTERS - held, remaining: held });
    for (let from: string | undefined = "n:"; from !== undefined; ) {
      const page = await store.list({ prefix: "n:", labels: {} }, from, 1_000);
      for (const { name, value, max, settingsRevision, revision } of page.counters) {
        const expected = BigInt(1 + (Number(name.slice(2)) % 9));
        expect([value, max, settingsRevision, revision], name).toEqual([
          ...[expected, expected > 5n ? expected : 5n, expected === 9n ? 1 : 2, 1],
        ]);
      }
      from = page.next;
    }
    const changes = new Map<string, number>();
    for (let cursor = "", goes = true; goes; ) {
      const page = await store.changesSince(cursor, 5_000);
      for (const { name, caller } of page.changes)
        if (caller === "policy:n:") changes.set(name, (changes.get(name) ?? 0) + 1);
      goes = page.cursor !== cursor;
      cursor = page.cursor;
    }
    expect(changes.size).toBe(COUNTERS - Math.floor(COUNTERS / 9)); // To those at 9 it says what they had.
    expect(new Set(changes.values())).toEqual(new Set([1]));
  });
}

const nameOf = (i: number) => `n:${i}`;

/** Have the counters settled, and kill who does it so long after so many slices. */
async function sweepAndKill(killer: Killer, url: string, slices: number, afterMs: number): Promise<void> {
  const child = fork(programOf("test/proofs/crash/sweeper.ts"), [url], { stdio: "inherit" });
  let [left, last] = [slices, ""];
  const reached = new Promise<void>((resolve) => {
    child.on("message", (message: string) => {
      last = message;
      if (left-- <= 0) resolve();
    });
    child.on("exit", () => resolve());
  });
  await reached;
  const ended = child.exitCode === null ? once(child, "exit") : undefined;
  if (child.exitCode === null) await killer.kill(child.pid!, afterMs);
  await ended;
  expect(last, "it came to its end before it was killed: more counters are needed").toBe("slice");
}

async function withStore(url: string, work: (store: Store) => Promise<void>): Promise<void> {
  const options = { newUid: () => v7(), cachedCountersMax: 1_000, warn: () => {} };
  const store = await openStore(url, { ...options, clock: SYSTEM_CLOCK, retention: DEFAULT_RETENTION });
  try {
    await work(store);
  } finally {
    await store.close();
  }
}
