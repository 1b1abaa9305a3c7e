/** What the cases of history have in common: a store whose log is followed, and what history ought to say. */
import { isDeepStrictEqual } from "node:util";
import { expect } from "vitest";
import { LEVELS } from "../../../src/core/levels.ts";
import type { Points } from "../../../src/core/points.ts";
import { followHistory, type HistoryFollower } from "../../../src/service/history-follower.ts";
import { LogReader } from "../../../src/service/log-reader.ts";
import type { Store } from "../../../src/service/store.ts";
import type { History, HistoryAnswer, HistoryQuery } from "../../../src/service/store-history.ts";
import { HISTORY_WAIT_MS } from "../../../src/stores/shared/history/arrival.ts";
import type { Opened } from "../../support/opened.ts";
import { allChanges } from "./changes.ts";
import { edgesOf, pointsOf } from "./history-expected.ts";

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
      const began = performance.now();
      const answer = await this.history.query(query);
      if ("refused" in answer) throw new Error(`expected points, got ${answer.refused}`);
      // One that waited in vain is complete up to the instant of the latest commit that is there: by a clock that stands
      // still that is now, and others of it may be missing.
      if (answer.completeUntil >= asked && performance.now() - began < HISTORY_WAIT_MS) return answer;
    }
  }
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
        expectPoints(points, pointsOf(mine, edges, true), `${name} ${level}`);
      }
      for (const prefix of prefixes) {
        const { points } = await followed.query({ of: { prefix }, level, edges });
        const mine = changes.filter((change) => change.name.startsWith(prefix));
        expectPoints(points, pointsOf(mine, edges, false), `${prefix}* ${level}`);
      }
    }
  }
}

/** To compare thousands of them by an expect takes longer than to have them. */
export function expectPoints(points: Points, expected: ReturnType<typeof pointsOf>, what: string): void {
  const fields = Object.keys(expected) as (keyof typeof expected)[];
  if (fields.every((field) => isDeepStrictEqual(points[field], expected[field]))) return;
  expect(points, what).toMatchObject(expected);
}
