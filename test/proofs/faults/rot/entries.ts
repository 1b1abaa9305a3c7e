/** Flips each bit of a table of linked entries, one at a time, and asks for what goes by it. */

import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import Database from "better-sqlite3";
import { TallyError } from "../../../../src/core/errors.ts";
import type { Selection } from "../../../../src/core/selection.ts";
import { ZoneCalendar } from "../../../../src/stores/shared/calendar.ts";
import { PageReader } from "../../../../src/stores/sqlite/read/pages.ts";
import { asOfOneMoment, openReadOnly } from "../../../../src/stores/sqlite/read/reading.ts";
import { Scanner } from "../../../../src/stores/sqlite/read/scans.ts";
import type { LinkedTable } from "../../../../src/stores/sqlite/rows/linked-entries.ts";
import { RowReader } from "../../../../src/stores/sqlite/rows/row-reader.ts";
import { create, single } from "../../../support/calls.ts";
import { HandClock } from "../../../support/clock.ts";
import type { Random } from "../../crash/random.ts";
import { commit, momentOf, open } from "./file.ts";

export const TABLES = ["counter_labels", "counter_names"] as const satisfies readonly LinkedTable[];

/** What came of the questions asked of all flips. */
export interface EntryRot {
  readonly pages: number;
  flips: number;
  right: number;
  /** All is there but the damaged one, which is named. */
  named: number;
  refused: number;
  readonly lies: string[];
}

const COUNTERS = 44;

/** Long ones, so that a page has few. */
const NAMES = Array.from(
  { length: COUNTERS },
  (_, n) => `counter-${String(n).padStart(3, "0")}/${"n".repeat(90)}`,
);

function labelsOf(n: number): Record<string, string> {
  const labels: Record<string, string> = { k: "v", l: `${n % 2}` };
  if (n % 11 === 5) labels.rare = "yes";
  labels.zone = `z${n % 8}`; // Few each, next to each other, and one bit from each other.
  if (n % 4 === 0) labels.a = "first of all";
  return labels;
}

const SELECTIONS: Readonly<Record<string, Selection>> = {
  all: { prefix: "", labels: {} },
  "a prefix": { prefix: "counter-02", labels: {} },
  "a narrow prefix": { prefix: "counter-04", labels: {} },
  "a prefix nobody has": { prefix: "cowbell", labels: {} },
  "a label": { prefix: "", labels: { k: "v" } },
  "half a label": { prefix: "", labels: { l: "1" } },
  "the first label": { prefix: "", labels: { a: "first of all" } },
  "the last label": { prefix: "", labels: { rare: "yes" } },
  "a rare label": { prefix: "", labels: { zone: "z2" } },
  "a rare label beside it": { prefix: "", labels: { zone: "z3" } },
  "two labels, one rare": { prefix: "", labels: { zone: "z4", k: "v" } },
  "two labels": { prefix: "", labels: { k: "v", l: "0" } },
  "a label, a prefix": { prefix: "counter-01", labels: { k: "v" } },
  "a label nobody has": { prefix: "", labels: { l: "2" } },
};

/** Of the table of names what goes by labels tells nothing, and the other way about. */
function goesBy(table: LinkedTable, { labels }: Selection): boolean {
  return (table === "counter_labels") === Object.keys(labels).length > 0;
}

/**
 * @param flips   how many, at random; undefined: each bit that the table has in its pages
 * @param onLie   told of each wrong answer
 */
export function entryRot(
  path: string,
  table: LinkedTable,
  random: Random,
  { flips, onLie = () => {} }: { flips?: number | undefined; onLie?: (lie: string) => void } = {},
): EntryRot {
  const { pages, pageBytes } = makeFile(path);
  const sound = readFileSync(path);
  const rotten = new RottenFile(path, sound);
  const found: EntryRot = { pages: pages.length, flips: 0, right: 0, named: 0, refused: 0, lies: [] };
  const ask = asking(path, table);
  try {
    if (ask().some((verdict) => verdict !== "right")) throw new Error("the sound file is not answered from");
    for (const at of flips === undefined
      ? all(pages, pageBytes, sound)
      : some(pages, pageBytes, random, flips)) {
      rotten.flip(at);
      const verdicts = ask();
      rotten.flip(at);
      found.flips++;
      const lies = verdicts.filter((verdict) => !["right", "named", "refused"].includes(verdict));
      const where = `byte ${(at >> 3) % pageBytes} of page ${Math.floor((at >> 3) / pageBytes) + 1}, bit ${at & 7}`;
      for (const lie of lies) {
        found.lies.push(`${table}, ${where}: ${lie}`);
        onLie(found.lies.at(-1)!);
      }
      if (lies.length > 0) continue;
      found[verdicts.includes("refused") ? "refused" : verdicts.includes("named") ? "named" : "right"]++;
    }
    return found;
  } finally {
    ask.close();
    rotten.close();
  }

  function makeFile(made: string): { pages: number[]; pageBytes: number } {
    const clock = new HandClock();
    const connection = open(made, clock);
    const order = NAMES.map((name, n) => ({ name, n })).sort(
      (a, b) => ((a.n * 17) % COUNTERS) - ((b.n * 17) % COUNTERS),
    );
    commit(
      connection,
      clock,
      order.map(({ name, n }) => single(create(name, { value: countOf(n), labels: labelsOf(n) }))),
    );
    connection.close(momentOf(clock));
    const db = new Database(made);
    db.pragma("journal_mode = DELETE");
    const pages = db
      .prepare<[string], number>("SELECT pageno FROM dbstat WHERE name = ? ORDER BY pageno")
      .pluck()
      .all(table);
    const pageBytes = Number(db.pragma("page_size", { simple: true }));
    db.close();
    return { pages, pageBytes };
  }
}

function countOf(n: number): bigint {
  return BigInt((n * 29) % 97);
}

/** All bits but those of what is free, which nobody reads: zeros among zeros. */
function* all(pages: readonly number[], pageBytes: number, bytes: Buffer): Iterable<number> {
  for (const page of pages) {
    const start = (page - 1) * pageBytes;
    for (let at = start; at < start + pageBytes; at++) {
      if (bytes[at - 1] === 0 && bytes[at] === 0 && bytes[at + 1] === 0) continue;
      for (let bit = 0; bit < 8; bit++) yield at * 8 + bit;
    }
  }
}

/** A third of them in the heads of pages. */
function* some(pages: readonly number[], pageBytes: number, random: Random, flips: number): Iterable<number> {
  for (let n = 0; n < flips; n++) {
    const byte = random.between(0, 2) === 0 ? random.between(0, 60) : random.between(0, pageBytes - 1);
    yield ((random.pick(pages) - 1) * pageBytes + byte) * 8 + random.between(0, 7);
  }
}

/** Bits flip beneath a connection, which sees by the counter of changes that it is to read pages anew. */
class RottenFile {
  readonly #bytes: Buffer;
  readonly #file: number;
  #changes = 1_000;

  constructor(path: string, bytes: Buffer) {
    this.#bytes = bytes;
    this.#file = openSync(path, "r+");
  }

  flip(bit: number): void {
    const at = bit >> 3;
    this.#bytes[at]! ^= 1 << (bit & 7);
    writeSync(this.#file, this.#bytes, at, 1, at);
    this.#bytes.writeUInt32BE(++this.#changes, CHANGE_COUNTER_AT);
    writeSync(this.#file, this.#bytes, CHANGE_COUNTER_AT, 4, CHANGE_COUNTER_AT);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** See https://www.sqlite.org/fileformat.html#file_change_counter */
const CHANGE_COUNTER_AT = 24;

type Asking = (() => string[]) & { close(): void };

/** What asks everything: a verdict a question, "right", "named", "refused" or what was wrong. */
function asking(path: string, table: LinkedTable): Asking {
  const db = openReadOnly(path, 16_384);
  const rows = new RowReader(db);
  const pages = new PageReader(db, rows, new ZoneCalendar(() => {}));
  const scanner = new Scanner(db, rows, new ZoneCalendar(() => {}));
  const asOf = { now: new HandClock().now() };
  const goOn = () => {};
  const questions = Object.entries(SELECTIONS)
    .filter(([, selection]) => goesBy(table, selection))
    .flatMap(([about, selection]) => {
      const wanted = NAMES.filter((name, n) => isSelected(name, n, selection));
      const values = new Map(NAMES.map((name, n) => [name, countOf(n)]));
      const best = (order: "highest" | "lowest") =>
        [...wanted]
          .sort((a, b) => {
            const by = Number(values.get(a)! - values.get(b)!) * (order === "highest" ? -1 : 1);
            return by || (a < b ? -1 : 1);
          })
          .slice(0, 5);
      const sum = wanted.reduce((total, name) => total + values.get(name)!, 0n);
      const middle = wanted[Math.floor(wanted.length / 2)] ?? NAMES[20]!;
      const list = (from: string, limit: number) => () =>
        listed(
          wanted.filter((name) => name >= from),
          walk(pages, selection, from, limit, asOf),
        );
      return [
        [`list, ${about}`, list("", 1_000)],
        [`list, ${about}, in pages`, list("", 5)],
        [`list, ${about}, from its middle`, list(middle, 1_000)],
        [
          `sum, ${about}`,
          () => {
            const { count, sum: total, corruptNames } = scanner.sum(selection, asOf, goOn);
            if (corruptNames.length > 0) return namedOf(corruptNames);
            return count === wanted.length && total === sum ? "right" : `${count} that come to ${total}`;
          },
        ],
        ...(["highest", "lowest"] as const).map(
          (order) =>
            [
              `top, ${order}, ${about}`,
              () => {
                const { counters, corruptNames } = scanner.top(selection, 5, order, asOf, goOn);
                if (corruptNames.length > 0) return namedOf(corruptNames);
                const names = counters.map(({ name }) => name);
                return isDeepStrictEqual(names, best(order)) ? "right" : `gives ${shown(names)}`;
              },
            ] as const,
        ),
      ] as const;
    })
    .map(([about, question]) => [about, asOfOneMoment(db, question as () => string)] as const);
  const ask = () => questions.map(([about, question]) => verdictOf(about, () => question(undefined)));
  return Object.assign(ask, { close: () => db.close() });
}

function isSelected(name: string, n: number, { prefix, labels }: Selection): boolean {
  const own = labelsOf(n);
  return name.startsWith(prefix) && Object.entries(labels).every(([key, value]) => own[key] === value);
}

interface Walked {
  readonly names: readonly string[];
  readonly corrupt: readonly string[];
}

function walk(
  pages: PageReader,
  selection: Selection,
  begin: string,
  limit: number,
  asOf: { now: number },
): Walked {
  const [names, corrupt]: [string[], string[]] = [[], []];
  for (let from: string | undefined = begin, n = 0; from !== undefined; n++) {
    if (n > 100) throw new Error("a walk that does not end");
    const page = pages.read(selection, from, limit, asOf);
    names.push(...page.counters.map(({ name }) => name));
    corrupt.push(...page.corruptNames);
    from = page.next;
  }
  return { names, corrupt };
}

/** Each that is wanted is given, in order, or is named as damaged; and nothing else is given. */
function listed(wanted: readonly string[], { names, corrupt }: Walked): string {
  const named = new Set(corrupt);
  if (
    !isDeepStrictEqual(
      names,
      wanted.filter((name) => !named.has(name)),
    )
  )
    return `gives ${names.length} of ${wanted.length}, and names ${shown(corrupt)}`;
  return corrupt.length === 0 ? "right" : namedOf(corrupt);
}

/** What is told as damaged is what there is. */
function namedOf(corrupt: readonly string[]): string {
  return corrupt.every((name) => NAMES.includes(name)) ? "named" : `names ${shown(corrupt)}`;
}

function shown(names: readonly string[]): string {
  return JSON.stringify(names.map((name) => String(name).slice(0, 14)));
}

function verdictOf(about: string, question: () => string): string {
  try {
    const verdict = question();
    return ["right", "named"].includes(verdict) ? verdict : `${about}: ${verdict}`;
  } catch (error) {
    if (error instanceof TallyError && error.code === "ROW_CORRUPT") return "refused";
    return `${about}: ${(error as Error).stack}`;
  }
}
