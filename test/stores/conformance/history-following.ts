/** What the cases of history have in common: a store whose log is followed, and what history ought to say. */
import { expect } from "vitest";
import { ChangeKind, endsCounter } from "../../../src/core/change.ts";
import { BUCKET_MS, bucketStart, LEVELS, type Level } from "../../../src/core/levels.ts";
import { followHistory, type HistoryFollower } from "../../../src/service/history-follower.ts";
import { LogReader } from "../../../src/service/log-reader.ts";
import type { Store } from "../../../src/service/store.ts";
import type { History, HistoryAnswer, HistoryQuery } from "../../../src/service/store-history.ts";
import type { StoredChange } from "../../../src/service/store-pages.ts";
import type { Opened } from "../../support/opened.ts";
import { allChanges } from "./changes.ts";

/** Takes the log of a store into its history, in small pages, as a server does it. */
export class Following {
  missed = 0;
  readonly errors: unknown[] = [];
  readonly #reader: LogReader;
  readonly #follower: HistoryFollower;

  constructor(store: Store, pageChanges = 3) {
    const options = { pageChanges, keptBytesMax: 100_000, restMs: 0, lookEveryMs: 5 };
    this.#reader = new LogReader(store.changeLog, options);
    this.#follower = followHistory(store, store.history!.intake, this.#reader, {
      retryMs: 5,
      saveMs: 20,
      onError: (error) => this.errors.push(error),
      onMissed: () => this.missed++,
    });
  }

  async close(): Promise<void> {
    await this.#follower.close();
    await this.#reader.close();
    expect(this.errors).toEqual([]);
  }
}

/** A test's store, followed; the test may stop following, reopen it, and go on. */
export class Followed {
  readonly opened: Opened;
  following: Following | undefined;

  constructor(opened: Opened) {
    this.opened = opened;
    this.follow();
  }

  get store(): Store {
    return this.opened.store;
  }

  get history(): History {
    return this.store.history!;
  }

  follow(pageChanges?: number): void {
    this.following ??= new Following(this.store, pageChanges);
  }

  async stop(): Promise<void> {
    await this.following?.close();
    this.following = undefined;
  }

  async reopen(): Promise<void> {
    await this.stop();
    await this.opened.reopen();
    this.follow();
  }

  /** An answer that is complete, however long that takes. */
  async query(query: HistoryQuery): Promise<HistoryAnswer> {
    const asked = this.opened.now();
    for (;;) {
      const answer = await this.history.query(query);
      if ("refused" in answer) throw new Error(`expected points, got ${answer.refused}`);
      if (answer.completeUntil >= asked) return answer;
    }
  }
}

/** Edges of a level: from before an instant until after another, in so many points. */
export function edgesOf(level: Level, from: number, to: number, most = 200): Float64Array {
  const [first, last] = [bucketStart(level, from), bucketStart(level, to) + BUCKET_MS[level]];
  const step = Math.max(1, Math.ceil((last - first) / BUCKET_MS[level] / most)) * BUCKET_MS[level];
  const edges = [first];
  while (edges.at(-1)! < last) edges.push(edges.at(-1)! + step);
  return Float64Array.from(edges);
}

/** History is what the log is, for every name and some prefixes, at every level. */
export async function expectHistoryIsLog(followed: Followed, prefixes: readonly string[]): Promise<void> {
  const changes = await allChanges(followed.store);
  const times = changes.map(({ time }) => time);
  const [from, to] = [Math.min(...times), Math.max(...times)];
  const names = new Set(changes.map(({ name }) => name));
  for (const level of LEVELS) {
    for (const begin of [from, (from + to) / 2]) {
      const edges = edgesOf(level, begin, to);
      for (const name of names) {
        const { points } = await followed.query({ of: { name }, level, edges });
        const mine = changes.filter((change) => change.name === name);
        expect(points, `${name} ${level}`).toMatchObject(pointsOf(mine, edges, true));
      }
      for (const prefix of prefixes) {
        const { points } = await followed.query({ of: { prefix }, level, edges });
        const mine = changes.filter((change) => change.name.startsWith(prefix));
        expect(points, `${prefix}* ${level}`).toMatchObject(pointsOf(mine, edges, false));
      }
    }
  }
}

/** What points ought to be, written from what they are said to be. */
export function pointsOf(all: readonly StoredChange[], edges: Float64Array, named: boolean) {
  const values = new Map<string, bigint>();
  const given = deletedOnly(all);
  const changes = inOrder(all.filter(({ uid }) => !given.has(uid)));
  let k = 0;
  const take = (before: number) => {
    const taken: StoredChange[] = [];
    // In order of time, which is that of the log for each counter.
    for (; k < ordered.length && ordered[k]!.time < before; k++) {
      taken.push(ordered[k]!);
      values.set(ordered[k]!.uid, endsCounter(ordered[k]!.kind) ? 0n : ordered[k]!.value);
    }
    return taken;
  };
  const ordered = [...changes].sort((a, b) => a.time - b.time);
  const sum = () => [...values.values()].reduce((a, b) => a + b, 0n);
  take(edges[0]!);
  const [opens, closes, lows, highs] = [[], [], [], []] as [bigint[], bigint[], bigint[], bigint[]];
  const sums = { added: [] as bigint[], removed: [] as bigint[], rolled: [] as bigint[] };
  const counts: number[] = [];
  for (let i = 0; i + 1 < edges.length; i++) {
    opens.push(sum());
    const taken = take(edges[i + 1]!);
    closes.push(sum());
    let [added, removed, rolled, ops] = [0n, 0n, 0n, 0];
    const left: bigint[] = [];
    for (const change of taken) {
      const rolls = change.kind === ChangeKind.ROLL;
      if (rolls) rolled += change.added - change.removed;
      else {
        added += change.added;
        removed += change.removed;
        ops += change.ops;
      }
      if (endsCounter(change.kind)) {
        rolled -= change.value;
        left.push(change.value - change.added + change.removed); // What it was.
      } else left.push(change.low, change.high);
    }
    sums.added.push(added);
    sums.removed.push(removed);
    sums.rolled.push(rolled);
    counts.push(ops);
    const close = closes.at(-1)!;
    lows.push(left.reduce((a, b) => (a < b ? a : b), left[0] ?? close));
    highs.push(left.reduce((a, b) => (a > b ? a : b), left[0] ?? close));
  }
  return {
    ...{ opens, closes, lows: named ? lows : undefined, highs: named ? highs : undefined },
    ...{ ...sums, changes: Float64Array.from(counts) },
  };
}

/** What left the value where it was left nothing; and what came after settings that met a refill was not before them. */
function inOrder(changes: readonly StoredChange[]): StoredChange[] {
  const notBefore = new Map<string, number>();
  const moving = changes.filter((c) => c.kind !== ChangeKind.SETTINGS || c.added !== c.removed);
  return moving.map((change) => {
    const time = Math.max(change.time, notBefore.get(change.uid) ?? change.time);
    if (change.kind === ChangeKind.SETTINGS) notBefore.set(change.uid, time);
    return { ...change, time };
  });
}

/** Those of which the log gives the deletion alone: they were deleted without their history. */
function deletedOnly(changes: readonly StoredChange[]): Set<string> {
  const kinds = new Map<string, number[]>();
  for (const { uid, kind } of changes) kinds.set(uid, [...(kinds.get(uid) ?? []), kind]);
  return new Set(
    [...kinds].filter(([, of]) => of.length === 1 && of[0] === ChangeKind.DELETE).map(([uid]) => uid),
  );
}
