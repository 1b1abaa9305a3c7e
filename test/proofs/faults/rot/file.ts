/** A data file with something in each of its b-trees, what was asked of it, and which pages are whose. */
import { readFileSync } from "node:fs";
import Database from "better-sqlite3";
import { v7 } from "uuid";
import { CATALOGUE_KINDS } from "../../../../src/core/catalogue.ts";
import { toBatch } from "../../../../src/service/call.ts";
import { DEFAULT_RETENTION } from "../../../../src/service/store.ts";
import { WriteConnection } from "../../../../src/stores/sqlite/write/connection.ts";
import {
  type Answer,
  type Asked,
  answersOf,
  batch,
  create,
  increment,
  remove,
  single,
  update,
} from "../../../support/calls.ts";
import { HandClock } from "../../../support/clock.ts";
import type { Random } from "../../crash/random.ts";

/** The log is kept so small that its beginning was dropped, and openings stand for it. */
export const RETENTION = { ...DEFAULT_RETENTION, changeLogBytesMax: 18_000 };

export interface Made {
  readonly bytes: Buffer;
  /** Requests under ids that live, with their answers. */
  readonly answered: readonly { readonly asked: Asked; readonly answer: Answer }[];
  readonly names: readonly string[];
  /** Of counters that time does something to; most of it by TIME_PASSED_MS after the file was closed. */
  readonly timed: readonly string[];
  /** By b-tree: the numbers of its pages, from 1. */
  readonly pages: ReadonlyMap<string, readonly number[]>;
  readonly pageBytes: number;
  /** When the file was closed. */
  readonly wallMs: number;
}

export function open(path: string, clock: HandClock): WriteConnection {
  const options = { retention: RETENTION, cachedCountersMax: 200, startId: v7() };
  return new WriteConnection(path, options, momentOf(clock));
}

export function momentOf(clock: HandClock) {
  return { now: clock.now(), monotonic: clock.monotonic() };
}

export function commit(connection: WriteConnection, clock: HandClock, asked: readonly Asked[]): Answer[] {
  return answersOf(asked, connection.commit(toBatch([...asked]), momentOf(clock), v7()));
}

export function uuidFrom(random: Random): string {
  const hex = () => random.between(0, 0xffff).toString(16).padStart(4, "0");
  return `${hex()}${hex()}-${hex()}-4${hex().slice(1)}-8${hex().slice(1)}-${hex()}${hex()}${hex()}`;
}

const COUNTERS = 900;
const TIMED_COUNTERS = 240;
/** Of the catalogue: some pages of it, and one above them. */
const ENTRIES = 80;

/** Not policies: by one that says nothing no counter could be made, in a sound file too. */
const KINDS = CATALOGUE_KINDS.filter((kind) => kind !== "policy");

/** The n-th entry, as it is made. */
export function entryOf(n: number) {
  const kind = KINDS[n % KINDS.length]!;
  return { kind, key: `entry ${n}`, body: JSON.stringify({ n, more: "m".repeat(300) }), expectedVersion: 0 };
}
const HOUR_MS = 3_600_000;
/** Of which a use is noted: some pages of them, and one above. */
export const KEYS = 400;

/** The n-th key, and when it was last used. */
export function useOf(n: number): [keyId: string, hourMs: number] {
  return [`key ${n}`.padEnd(12, "k"), (490_000 + n) * HOUR_MS];
}
export const TIME_PASSED_MS = 2 * HOUR_MS;

/** The n-th counter that time does something to: quotas, token buckets, and what is forgotten when nobody comes. */
function timedSettings(n: number, now: number) {
  const labels = { team: `t${n % 4}`, zone: `z${n % 3}` };
  const [value, limits] = [BigInt(1_000 * n + 7), { labels, min: 0n, max: 10n ** 6n }];
  const window = n % 6 === 0 ? { everyMs: HOUR_MS, anchorMs: now + 1_000 * n } : MONTHLY;
  if (n % 3 === 0) return { ...limits, value, window, initial: n % 2 === 0 ? 0n : 5n };
  if (n % 3 === 1) return { ...limits, value, refill: { amount: BigInt(n), everyMs: 60_000 } };
  return { ...limits, value, idleTtlMs: BigInt(n % 2 === 0 ? HOUR_MS : 100 * HOUR_MS) };
}

const MONTHLY = { unit: "month", timeZone: "Europe/Berlin", day: 1 } as const;

export function makeFile(path: string, random: Random): Made {
  const clock = new HandClock();
  const connection = open(path, clock);
  const answered: { asked: Asked; answer: Answer }[] = [];
  const ask = (asked: Asked[]) => {
    const answers = commit(connection, clock, asked);
    for (const [i, answer] of answers.entries()) {
      if (asked[i]!.requestId !== undefined) answered.push({ asked: asked[i]!, answer });
    }
    clock.advance(7);
  };

  const numbers = Array.from({ length: COUNTERS }, (_, i) => i);
  for (let i = numbers.length - 1; i > 0; i--) {
    const j = random.between(0, i);
    [numbers[i], numbers[j]] = [numbers[j]!, numbers[i]!];
  }
  const names = numbers.map((n) => `shop-${n % 7}/visits-${n}`);
  for (let first = 0; first < names.length; first += 100) {
    ask(
      names.slice(first, first + 100).map((name, i) => {
        const n = first + i;
        const labels: Record<string, string> = n % 10 === 0 ? {} : { team: `t${n % 4}`, zone: `z${n % 3}` };
        if (n % 50 === 7) labels.owner = `someone-${n}`;
        const value = BigInt(n) ** 5n + 3n;
        return single(create(name, { value, labels, description: n % 5 === 0 ? `the ${n}th` : "" }));
      }),
    );
  }
  // Two generations, the older ids at random and the newer in the order of time; busy counters.
  for (let round = 0; round < 8; round++) {
    if (round === 4) clock.advance(4 * HOUR_MS);
    const id = () =>
      round < 4 ? uuidFrom(random) : `${String(clock.runMs).padStart(12, "0")}-${uuidFrom(random)}`;
    ask(
      Array.from({ length: 100 }, (_, i) =>
        single(increment(names[(i * 5 + (round % 2) * 250) % names.length]!, BigInt(i)), { id: id() }),
      ),
    );
    ask([batch([increment(names[round]!), increment(names[round + 9]!)], { id: id() })]);
  }
  const timed = Array.from({ length: TIMED_COUNTERS }, (_, n) => `shop-${n % 7}/limit-${n}`);
  for (let first = 0; first < timed.length; first += 60) {
    ask(
      timed
        .slice(first, first + 60)
        .map((name, i) => single(create(name, timedSettings(first + i, clock.now())))),
    );
  }
  for (let round = 0; round < 3; round++) ask(timed.slice(0, 90).map((name) => single(increment(name))));
  ask(names.slice(20, 40).map((name, i) => single(remove(name, { keepHistory: i % 2 === 0 }))));
  ask(names.slice(40, 60).map((name) => single(update(name, { labels: { team: "t1", moved: "yes" } }))));
  names.splice(20, 20);
  while (connection.maintain(momentOf(clock), () => {}));
  for (let n = 0; n < ENTRIES; n++) connection.writeCatalogue(entryOf(n), momentOf(clock));
  for (let n = 0; n < ENTRIES; n += 9) {
    const body = n % 2 === 0 ? undefined : '{"again":true}';
    connection.writeCatalogue({ ...entryOf(n), body, expectedVersion: n + 1 }, momentOf(clock));
  }
  connection.noteKeyUses(new Map(Array.from({ length: KEYS }, (_, n) => useOf(n))), momentOf(clock));
  for (const name of names.slice(100, 130)) ask([single(increment(name))]);
  clock.advance(60_000);
  connection.maintain(momentOf(clock), () => {});
  connection.close(momentOf(clock));

  const db = new Database(path);
  const pages = new Map<string, number[]>();
  for (const { name, pageno } of db
    .prepare("SELECT name, pageno FROM dbstat ORDER BY name, pageno")
    .all() as {
    name: string;
    pageno: number;
  }[]) {
    pages.set(name, [...(pages.get(name) ?? []), pageno]);
  }
  const pageBytes = Number(db.pragma("page_size", { simple: true }));
  db.close();
  return { bytes: readFileSync(path), answered, names, timed, pages, pageBytes, wallMs: clock.wallMs };
}
