import type { Statement } from "better-sqlite3";
import { TallyError } from "../../../core/errors.ts";
import { isName } from "../../../core/name.ts";
import { Chain } from "../rows/entry-chain.ts";
import { columnsOf, type Entry, type EntryKey, EntryReader, linkOf } from "../rows/linked-entries.ts";
import { behindTexts, type Looked, SLICE_ROWS, type Walk } from "./walk.ts";

/** Looks at each entry of the names: it is sound, it is the next of the one before, and it leads to the row of that name. */
export class NameWalk implements Walk {
  readonly part = "names";
  readonly #entries: EntryWalk;

  constructor(looked: Looked) {
    const { db, findings } = looked;
    this.#entries = new EntryWalk(
      new EntryReader(db, "counter_names"),
      db
        .prepare<[EntryKey & { limit: number }], LedTo>(
          `SELECT ${columnsOf("counter_names")}, counters.name AS row_name, NULL AS row_labels, counters.id AS row_id
          FROM (SELECT ${columnsOf("counter_names", "")} FROM counter_names WHERE name > $name ORDER BY name LIMIT $limit) AS entry
          LEFT JOIN counters ON counters.id = entry.counter_id ORDER BY entry.name`,
        )
        .safeIntegers(false),
      {
        wrong: (name, about) => findings.add("NAME_WRONG", name, about, "accept"),
        missing: (name, about) => findings.add("NAME_WRONG", name, about, "restore"),
        gone: (name) =>
          findings.add("ROW_GONE", name, "its name is there, and its row is gone", "accept gone"),
        leads: (entry) => entry.row_name === entry.name,
      },
    );
  }

  get rows(): number {
    return this.#entries.rows;
  }

  step(): boolean {
    return this.#entries.step();
  }
}

/** The same of the labels, each of which leads to the row that has it. */
export class LabelWalk implements Walk {
  readonly part = "labels";
  readonly #entries: EntryWalk;

  constructor(looked: Looked) {
    const { db, findings } = looked;
    this.#entries = new EntryWalk(
      new EntryReader(db, "counter_labels"),
      db
        .prepare<[EntryKey & { limit: number }], LedTo>(
          `SELECT ${columnsOf("counter_labels")}, counters.name AS row_name, counters.labels AS row_labels,
            counters.id AS row_id
          FROM (SELECT ${columnsOf("counter_labels", "")} FROM counter_labels WHERE (key, value, name) > ($key, $value, $name)
            ORDER BY key, value, name LIMIT $limit) AS entry
          LEFT JOIN counters ON counters.id = entry.counter_id ORDER BY entry.key, entry.value, entry.name`,
        )
        .safeIntegers(false),
      {
        wrong: (name, about) => findings.add("LABEL_WRONG", name, about, "accept"),
        missing: (name, about) => findings.add("LABEL_WRONG", name, about, "restore"),
        gone: (name) =>
          findings.add("ROW_GONE", name, "its label is there, and its row is gone", "accept gone"),
        leads: ({ key, value, name, row_name, row_labels }) =>
          row_name === name && labelsOf(row_labels)?.[key!] === value,
      },
    );
  }

  get rows(): number {
    return this.#entries.rows;
  }

  step(): boolean {
    return this.#entries.step();
  }
}

/** An entry, and the row that has its id. */
interface LedTo extends Entry {
  readonly row_id: number | null;
  readonly row_name: string | null;
  readonly row_labels: string | null;
}

/** What is done about what is found of entries. */
interface Told {
  wrong(name: string, about: string): void;
  /** An entry before this one is missing, or one is too many. */
  missing(name: string, about: string): void;
  gone(name: string): void;
  /** Whether it leads to a row that says the same. */
  leads(entry: LedTo): boolean;
}

/** Goes through a table of linked entries, each slice on from the entry that is before it then. */
class EntryWalk {
  rows = 0;
  readonly #beside: EntryReader;
  readonly #some: Statement<[EntryKey & { limit: number }], LedTo>;
  readonly #told: Told;
  #last: EntryKey = { key: "", value: "", name: "" };

  constructor(beside: EntryReader, some: Statement<[EntryKey & { limit: number }], LedTo>, told: Told) {
    this.#beside = beside;
    this.#some = some;
    this.#told = told;
  }

  step(): boolean {
    const found = this.#some.all({ ...this.#last, limit: SLICE_ROWS });
    const [first] = found;
    let chain = this.#chainUpTo(
      first === undefined ? { ...this.#last, name: `${this.#last.name}\0` } : keyOf(first),
    );
    for (const entry of found) {
      chain = this.#stepped(chain, entry);
      if (linkOf(entry) === undefined) this.#told.wrong(entry.name, "what leads to it is damaged");
      else if (entry.row_id === null) this.#told.gone(entry.name);
      else if (!this.#told.leads(entry))
        this.#told.wrong(entry.name, `what leads to it leads to another row${named(entry)}`);
    }
    this.rows += found.length;
    if (found.length > 0) {
      const last = keyOf(found.at(-1)!);
      behindTexts(textsOf(this.#last), textsOf(last));
      this.#last = last;
    }
    if (found.length === SLICE_ROWS) return true;
    if (!isWhole(() => chain?.end())) this.#missing(this.#last.name);
    return false;
  }

  /** @returns  the chain to go on with: another one behind where something is missing, none behind what says nothing */
  #stepped(chain: Chain | undefined, entry: Entry): Chain | undefined {
    if (chain !== undefined && isWhole(() => chain.step(entry))) return chain;
    if (linkOf(entry) === undefined) return undefined; // That is told of itself.
    if (chain !== undefined) this.#missing(entry.name);
    return new Chain(entry);
  }

  #chainUpTo(key: EntryKey): Chain | undefined {
    const before = this.#beside.below(key);
    if (before !== undefined && (linkOf(before) !== undefined || this.rows > 0)) return new Chain(before);
    this.#told.missing("(first)", "the entry before all others is missing");
    return undefined;
  }

  #missing(name: string): void {
    this.#told.missing(name, "an entry beside it is missing");
  }
}

function isWhole(step: () => void): boolean {
  try {
    step();
    return true;
  } catch (error) {
    if (error instanceof TallyError) return false;
    throw error;
  }
}

/** Whose row that is: of one that was renamed, the name that it has now. */
function named({ name, row_name }: LedTo): string {
  if (row_name === null || row_name === name || !isName(row_name)) return "";
  return `, that of ${row_name}: was it renamed, tally accept is to be given ${row_name}`;
}

function keyOf({ key = "", value = "", name }: Entry): EntryKey {
  return { key, value, name };
}

function textsOf({ key, value, name }: EntryKey): string[] {
  return [key, value, name];
}

function labelsOf(text: string | null): Readonly<Record<string, unknown>> | undefined {
  try {
    return text === null ? undefined : (JSON.parse(text) as Record<string, unknown>);
  } catch {
    return undefined; // The row's own checksum says so.
  }
}
