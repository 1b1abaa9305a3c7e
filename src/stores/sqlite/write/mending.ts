import type { Database, Statement } from "better-sqlite3";
import {
  checksumOf,
  columnsOf,
  END,
  type Entry,
  type EntryKey,
  EntryWriter,
  linkOf,
} from "../rows/linked-entries.ts";

/**
 * Makes the entries of names and labels whole again where somebody has changed rows by hand, and that is accepted. Links
 * that nothing of what is accepted explains stay broken: those are damage. The caller owns the transaction.
 */
export class EntryMending {
  readonly #names: EntryWriter;
  readonly #labels: EntryWriter;
  readonly #allNames: Statement<[], Entry>;
  readonly #allLabels: Statement<[], Entry>;
  readonly #labelled: Statement<[bigint], Labelled>;

  constructor(db: Database) {
    this.#names = new EntryWriter(db, "counter_names");
    this.#labels = new EntryWriter(db, "counter_labels");
    this.#allNames = db
      .prepare<[], Entry>(
        `SELECT ${columnsOf("counter_names")} FROM counter_names AS entry ORDER BY entry.name`,
      )
      .safeIntegers(false);
    this.#allLabels = db
      .prepare<[], Entry>(`SELECT ${columnsOf("counter_labels")} FROM counter_labels AS entry
        ORDER BY entry.key, entry.value, entry.name`)
      .safeIntegers(false);
    this.#labelled =
      db.prepare(`SELECT id, name, CASE WHEN json_valid(labels) AND json_type(labels) = 'object' THEN labels END AS labels
      FROM counters WHERE id > ? AND labels IS NOT NULL ORDER BY id LIMIT 1000`);
  }

  /**
   * Take away what leads to rows that are gone, or have been taken away.
   *
   * @param taken  names and ids of the rows that were there
   * @param lost   ids of rows that were gone
   */
  forget(taken: readonly { readonly id: bigint; readonly name: string }[], lost: readonly bigint[]): void {
    const lostIds = lost.map(Number);
    const ids = new Set([...taken.map(({ id }) => Number(id)), ...lostIds]);
    const names = new Set(taken.map(({ name }) => name));
    const its = (entry: Entry) => entry.name !== "" && (ids.has(entry.counter_id) || names.has(entry.name));
    const led = filtered(this.#allNames, its);
    for (const entry of led) this.#names.take(keyOf(entry));
    const found = new Set(led.map((entry) => entry.counter_id));
    const gaps = gapsIn(this.#allNames);
    const mended = gaps.filter(explainedBy(taken, new Set(lostIds.filter((id) => !found.has(id)))));
    for (const entry of mended) this.#names.relink(keyOf(entry));

    const whole = gaps.length === mended.length && this.#names.at(FIRST) !== undefined;
    const labelled = this.#labels.at(FIRST) !== undefined;
    if (whole && (!labelled || gapsIn(this.#allLabels).length > 0)) this.#relabel();
    else if (labelled) for (const entry of filtered(this.#allLabels, its)) this.#labels.take(keyOf(entry));
  }

  /** Labels stand in the rows as well: where all of those are found, they are told by them anew. */
  #relabel(): void {
    this.#labels.clear();
    for (let last: bigint | undefined = 0n; last !== undefined; ) {
      const rows: Labelled[] = this.#labelled.all(last);
      for (const { id, name, labels } of rows) {
        for (const [key, value] of Object.entries<unknown>(labels === null ? {} : JSON.parse(labels))) {
          if (typeof value !== "string" || this.#labels.at({ key, value, name }) !== undefined) continue;
          this.#labels.insert({ key, value, name }, id);
        }
      }
      last = rows.at(-1)?.id;
    }
  }
}

interface Labelled {
  readonly id: bigint;
  readonly name: string;
  readonly labels: string | null;
}

const FIRST: EntryKey = { key: "", value: "", name: "" };

function keyOf({ key = "", value = "", name }: Entry): EntryKey {
  return { key, value, name };
}

function filtered(all: Statement<[], Entry>, which: (entry: Entry) => boolean): Entry[] {
  const found: Entry[] = [];
  for (const entry of all.iterate()) if (which(entry)) found.push(entry);
  return found;
}

/**
 * Whether what an entry says is next was one of those whose entries somebody took away, too. Of a row that was there its
 * link is known; of one that is gone only the id is, so each such id explains one gap.
 */
function explainedBy(
  taken: readonly { readonly id: bigint; readonly name: string }[],
  lost: Set<number>,
): (gap: Entry) => boolean {
  const links = new Set(
    taken.map(({ id, name }) => checksumOf({ name, counter_id: Number(id) }) + Number(id)),
  );
  return ({ next }) => {
    if (links.has(next)) return true;
    const id = [...lost].find((each) => next - each >= -(2 ** 31) && next - each < 2 ** 31);
    return id !== undefined && lost.delete(id);
  };
}

/** The entries that are followed by another one than they say. One that is damaged is no gap. */
function gapsIn(all: Statement<[], Entry>): Entry[] {
  const gaps: Entry[] = [];
  let before: Entry | undefined;
  for (const entry of all.iterate()) {
    const link = linkOf(entry);
    if (before !== undefined && link !== undefined && before.next !== link) gaps.push(before);
    before = link === undefined ? undefined : entry;
  }
  if (before !== undefined && before.next !== END) gaps.push(before);
  return gaps;
}
