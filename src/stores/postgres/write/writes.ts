import type { Loaded, Save } from "../../../core/batch.ts";
import type { Fixed } from "../../../core/counter.ts";
import type { Database } from "../connection/database.ts";
import type { Call, Statement } from "../connection/session.ts";
import {
  arrayOf,
  FOLLOWED_COLUMNS,
  labelKey,
  SETTING_COLUMNS,
  settingArrays,
  storedSettingsRevision,
} from "../rows.ts";
import { REFILL_COLUMNS, refillColumns, TIMING_COLUMNS, timingColumns } from "../timing-columns.ts";

/** What was found for a batch, and the rows it came from. */
export interface LoadedRows {
  readonly facts: Loaded;
  /** By index in `facts.names`: the row's id. */
  readonly ids: readonly (bigint | undefined)[];
}

type SavedCounters = Omit<Save, "changes" | "answers" | "held">;

interface Found extends Pick<LoadedRows, "ids"> {
  readonly facts: Pick<Loaded, "fixed"> & {
    /** By index in `names`: the revision that the row has. */
    readonly revisions: readonly (number | undefined)[];
  };
}

/**
 * The statements that save what was decided about counters.
 *
 * Each tests that it finds what was loaded, row by row, and divides by zero (or takes the root of -1) when it does not:
 * the transaction then fails, and the batch is decided again.
 */
export class CounterWrites {
  readonly #update: Statement;
  readonly #updateTimed: Statement;
  readonly #insert: Statement;
  readonly #updateSettings: Statement;
  readonly #attach: Statement;
  readonly #delete: Statement;
  readonly #tombstone: Statement;
  readonly #label: Statement;
  readonly #unlabel: Statement;

  constructor(database: Database) {
    this.#update = database.statement(updateOf(COUNTED));
    this.#updateTimed = database.statement(updateOf(COUNTED_TIMED));
    this.#insert = database.statement(`
      WITH written AS (
        INSERT INTO @counters (${namesOf(MADE)})
        SELECT ${namesOf(MADE)} FROM ${unnested(MADE)}
        ORDER BY name COLLATE "C" -- As rows are locked: one order for everyone, so no deadlock.
        ON CONFLICT (name) DO NOTHING RETURNING 1
      ) SELECT ${asExpected("$1")} FROM written`);
    this.#updateSettings = database.statement(updateOf(UPDATED));
    this.#attach = database.statement(updateOf(ATTACHED));
    this.#delete = database.statement(`
      WITH written AS (DELETE FROM @counters WHERE id = ANY($1::bigint[]) RETURNING 1)
      SELECT ${allThere("$1")} FROM written`);
    this.#tombstone = database.statement(`
      INSERT INTO @deleted_counters (id, name, uid, history)
      SELECT id, name, uid, history
      FROM unnest($1::bigint[], $2::text[], $3::uuid[], $4::boolean[]) AS u (id, name, uid, history)`);
    this.#label = database.statement(`
      INSERT INTO @counter_labels (label, name)
      SELECT label, name FROM unnest($1::text[], $2::text[]) AS u (label, name)
      ON CONFLICT (label, name) DO NOTHING -- Left behind by somebody who has deleted the counter by hand.`);
    this.#unlabel = database.statement(`
      DELETE FROM @counter_labels AS l USING unnest($1::text[], $2::text[]) AS u (label, name)
      WHERE l.label = u.label AND l.name = u.name`);
  }

  /**
   * @param ids  by index in `save`, those of new counters included
   */
  of(save: SavedCounters, found: Found, ids: readonly (bigint | undefined)[]): Call[] {
    const { deleted } = save;
    return inTurn(save).flatMap((turn) => {
      const gone = deleted.size === 0 ? [] : turn.filter((index) => deleted.has(index));
      return [...this.#changes(turn, save, found, ids), ...this.deletions(gone, save, found, ids)];
    });
  }

  /** @param changed  some of those that changed, of which no two have the same name */
  #changes(
    changed: readonly number[],
    save: SavedCounters,
    { facts, ids: loaded }: Found,
    ids: readonly (bigint | undefined)[],
  ): Call[] {
    const counted: number[] = [];
    const timed: number[] = [];
    const made: number[] = [];
    const updated: number[] = [];
    /** Whose timing stays. */
    const attached: number[] = [];
    for (const index of changed) {
      const moves = save.timings.size > 0 && save.timings.has(index);
      if (loaded[index] === undefined) made.push(index);
      else if (save.fixed.size > 0 && save.fixed.has(index)) (moves ? updated : attached).push(index);
      else if (moves) timed.push(index);
      else counted.push(index); // Its timing, if it has one, stays; so the index over what is due is left alone.
    }
    const calls: Call[] = [];
    const idsOf = (indexes: readonly number[]) => arrayOf(indexes.map((i) => ids[i]));
    const before = (indexes: readonly number[]) => arrayOf(indexes.map((i) => facts.revisions[i]));
    const counts = (indexes: readonly number[]) => [
      arrayOf(indexes.map((i) => save.values[i])),
      arrayOf(indexes.map((i) => save.revisions[i])),
      arrayOf(indexes.map((i) => save.updateTimes[i])),
    ];
    const timings = (indexes: readonly number[]) =>
      timingColumns(indexes.map((i) => save.timings.get(i))).map(arrayOf);
    const namesAt = (indexes: readonly number[]) => indexes.map((i) => save.names[i]!);
    const fixedOf = (index: number) => save.fixed.get(index) ?? facts.fixed.get(index)!;
    // First, because it may wait: for who makes the same ones, or has since changed one that was not there. Whoever
    // waits here has changed nothing yet, so nobody who makes new ones waits for it in turn.
    if (made.length > 0) {
      const fixed = made.map(fixedOf);
      const uids = fixed.map(({ uid }) => uid);
      const created = arrayOf(fixed.map(({ createTime }) => createTime));
      const columns = [idsOf(made), ...counts(made), ...timings(made), ...settingsOf(fixed)];
      calls.push([this.#insert, [...columns, created, namesAt(made), uids]]);
    }
    if (counted.length > 0) calls.push([this.#update, [idsOf(counted), before(counted), ...counts(counted)]]);
    if (timed.length > 0) {
      calls.push([this.#updateTimed, [idsOf(timed), before(timed), ...counts(timed), ...timings(timed)]]);
    }
    if (updated.length > 0) {
      const columns = [...counts(updated), ...timings(updated), ...settingsOf(updated.map(fixedOf))];
      calls.push([this.#updateSettings, [idsOf(updated), before(updated), ...columns]]);
    }
    if (attached.length > 0) {
      const columns = [...counts(attached), ...settingsOf(attached.map(fixedOf))];
      calls.push([this.#attach, [idsOf(attached), before(attached), ...columns]]);
    }
    const changedSettings = [...updated, ...attached];
    if (changedSettings.length > 0)
      this.#pushLabels(calls, this.#unlabel, changedSettings, (i) => facts.fixed.get(i)!, save.names);
    const labelled = [...made, ...changedSettings];
    if (labelled.length > 0) this.#pushLabels(calls, this.#label, labelled, fixedOf, save.names);
    return calls;
  }

  /** The same for the deletion of some of those that are to go, which are as they were loaded or have been written. */
  deletions(
    gone: readonly number[],
    { names, fixed, deleted }: SavedCounters,
    { facts }: Found,
    ids: readonly (bigint | undefined)[],
  ): Call[] {
    if (gone.length === 0) return [];
    const fixedOf = (index: number) => fixed.get(index) ?? facts.fixed.get(index)!;
    const goneIds = arrayOf(gone.map((i) => ids[i]));
    const uids = gone.map((i) => fixedOf(i).uid);
    const history = arrayOf(gone.map((i) => deleted.get(i)));
    const calls: Call[] = [];
    this.#pushLabels(calls, this.#unlabel, gone, fixedOf, names);
    calls.push([this.#delete, [goneIds]]);
    calls.push([this.#tombstone, [goneIds, gone.map((i) => names[i]!), uids, history]]);
    return calls;
  }

  #pushLabels(
    calls: Call[],
    statement: Statement,
    indexes: readonly number[],
    fixedOf: (index: number) => Fixed,
    names: readonly string[],
  ): void {
    const labels: string[] = [];
    const of: string[] = [];
    for (const index of indexes) {
      for (const [key, value] of Object.entries(fixedOf(index).labels)) {
        labels.push(labelKey(key, value));
        of.push(names[index]!);
      }
    }
    if (labels.length > 0) calls.push([statement, [labels, of]]);
  }
}

/**
 * The counters that changed, in turns of which none has a name twice: who comes after another under its name, which that
 * has given up, is in a later one. Nobody else can have taken the name in between, because it has a locked row, or one
 * that is not committed; so to insert the later ones waits for nobody.
 */
function inTurn({ names, changed, deleted }: SavedCounters): (readonly number[])[] {
  if (deleted.size === 0) return [changed];
  const turns: number[][] = [[]];
  const taken = new Map<string, number>();
  for (const index of changed) {
    const name = names[index]!;
    const turn = (taken.get(name) ?? -1) + 1;
    taken.set(name, turn);
    turns[turn] ??= [];
    turns[turn].push(index);
  }
  return turns;
}

/** Divides by zero unless there is a row for each element of an array. */
function asExpected(array: string): string {
  return `1 / (count(*) = cardinality(${array}))::int`;
}

/** The same of rows that are locked, and so there: takes the root of -1 when something has them stay as they are. */
function allThere(array: string): string {
  return `sqrt(2 * (count(*) = cardinality(${array}))::int - 1)`;
}

type Columns = readonly (readonly [column: string, type: string])[];

const toBigints = (names: readonly string[]): Columns => names.map((name) => [name, "bigint"]);

const COUNTS = toBigints(["value", "revision", "update_ms"]);
const TIMINGS = toBigints(TIMING_COLUMNS);

/** The settings, as `settingsOf` gives them. */
const OF_SETTINGS: Columns = [
  ["settings_revision", "bigint"],
  ...SETTING_COLUMNS,
  ...toBigints(REFILL_COLUMNS),
  [FOLLOWED_COLUMNS[0], "text"],
  [FOLLOWED_COLUMNS[1], "bigint"],
];

function settingsOf(fixed: readonly Fixed[]) {
  const revisions = arrayOf(fixed.map(storedSettingsRevision));
  const prefixes = fixed.map(({ policy }) => policy?.prefix ?? null);
  const followed = [prefixes, arrayOf(fixed.map(({ policy }) => policy?.revision))];
  return [revisions, ...settingArrays(fixed), ...refillColumns(fixed).map(arrayOf), ...followed];
}

/** What is written of a new counter: each an array, in this order. */
const MADE: Columns = [
  ["id", "bigint"],
  ...COUNTS,
  ...TIMINGS,
  ...OF_SETTINGS,
  ["create_ms", "bigint"],
  ["name", "text"],
  ["uid", "uuid"],
];
/** Likewise of one that was counted, of one whose timing changes with it, and of one whose settings change. */
const COUNTED: Columns = [...toBigints(["id", "was"]), ...COUNTS];
const COUNTED_TIMED: Columns = [...COUNTED, ...TIMINGS];
const UPDATED: Columns = [...COUNTED_TIMED, ...OF_SETTINGS];
/** And of one whose settings change, or only which policy it follows, and whose timing does not. */
const ATTACHED: Columns = [...COUNTED, ...OF_SETTINGS];

/** The statement that writes such columns, found by the first two. */
function updateOf(columns: Columns): string {
  const written = columns.slice(2).map(([column]) => `${column} = u.${column}`);
  return `
    WITH written AS (
      UPDATE @counters AS c SET ${written.join(", ")} FROM ${unnested(columns)}
      WHERE c.id = u.id AND c.revision = u.was RETURNING 1
    ) SELECT ${allThere("$1")} FROM written`;
}

function namesOf(columns: Columns): string {
  return columns.map(([column]) => column).join(", ");
}

/** The arrays as rows. */
function unnested(columns: Columns): string {
  const arrays = columns.map(([, type], i) => `$${i + 1}::${type}[]`);
  return `unnest(${arrays.join(", ")}) AS u (${namesOf(columns)})`;
}
