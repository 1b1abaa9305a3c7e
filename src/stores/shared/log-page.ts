import { type Change, ChangeColumns, ChangeKind } from "../../core/change.ts";
import { CommitColumns } from "../../core/commit-columns.ts";
import { IdIndices, type StoredId } from "../../core/id-indices.ts";
import type { LoggedCounter, LogPage } from "../../service/store-log.ts";
import type { StoredChange } from "../../service/store-pages.ts";
import { cursorInOpenings } from "./log-cursor.ts";
import { changesMaxIn, unpackChanges } from "./packed-changes.ts";

/** Where a commit stands in a log. */
interface Place {
  readonly position: number | bigint;
  /** See CommitColumns.numbers; of all commits of a page, or of none. */
  readonly number?: number | bigint;
  readonly time: number | bigint;
}

/**
 * Puts pages of a change log together, commit by commit: one page after another, in columns that stay for the next, so that
 * only what is given out is made anew.
 */
export class LogPages {
  #changes = new ChangeColumns(0);
  readonly #ids = new IdIndices();
  readonly #ends: number[] = [];
  readonly #positions: number[] = [];
  readonly #numbers: number[] = [];
  readonly #times: number[] = [];
  #limit = 0;
  #bytes = 0;

  /** @param limit  see ChangeLogReads.read */
  begin(limit: number): void {
    this.#limit = limit;
    this.#bytes = 0;
    for (const column of [this.#ends, this.#positions, this.#numbers, this.#times]) column.length = 0;
    this.#changes.truncate(0);
    this.#ids.truncate(0);
  }

  /**
   * Add a commit, packed; false, and nothing is added, when it is one too many.
   *
   * @throws RangeError  when it is damaged
   */
  add(place: Place, packed: Uint8Array): boolean {
    return this.#take(place, packed.length, changesMaxIn(packed.length), () =>
      unpackChanges(packed, Number(place.time), this.#changes, this.#ids),
    );
  }

  /** The same of a commit that is not packed, and would take so many bytes. */
  addChanges(place: Place, changes: readonly Identified[], bytes: number): boolean {
    return this.#take(place, bytes, changes.length, () => {
      for (const { id, change } of changes) this.#changes.append(this.#ids.indexOf(id), change);
    });
  }

  get #commits(): CommitColumns {
    return new CommitColumns({
      ends: Uint32Array.from(this.#ends),
      positions: Float64Array.from(this.#positions),
      numbers: this.#numbers.length === 0 ? undefined : Float64Array.from(this.#numbers),
      times: Float64Array.from(this.#times),
      counterIds: this.#ids.toColumn(),
      changes: this.#changes.slice(0, this.#changes.count),
    });
  }

  /** The page of what was added. @param cursor  that the page was read from */
  commits(cursor: string): LogPage {
    const commits = this.#commits;
    const last = commits.positions.at(-1);
    return { commits, openings: false, dropped: false, cursor: last === undefined ? cursor : `${last}` };
  }

  /** A page of openings: of the changes up to `from`. @param openedTo  that of this counter is the last one */
  openings(
    openings: readonly Identified[],
    from: number | bigint,
    { openedTo, dropped }: { readonly openedTo: bigint | string; readonly dropped: boolean },
  ): LogPage {
    this.begin(openings.length);
    this.addChanges({ position: from, time: 0 }, openings, 0);
    return { commits: this.#commits, openings: true, dropped, cursor: cursorInOpenings(from, openedTo) };
  }

  /** @param max  how many changes it may have */
  #take(place: Place, bytes: number, max: number, fill: () => void): boolean {
    if (this.#bytes >= PAGE_BYTES) return false;
    this.#bytes += bytes;
    const [count, ids] = [this.#changes.count, this.#ids.count];
    const room = count + max;
    if (room > this.#changes.max) this.#changes = this.#changes.slice(0, count, Math.max(room, 2 * count));
    fill();
    if (count > 0 && this.#changes.count > this.#limit) {
      this.#changes.truncate(count);
      this.#ids.truncate(ids);
      return false;
    }
    this.#ends.push(this.#changes.count);
    this.#positions.push(Number(place.position));
    if (place.number !== undefined) this.#numbers.push(Number(place.number));
    this.#times.push(Number(place.time));
    return true;
  }
}

/** A change, and what the store knows its counter by. */
export interface Identified {
  readonly id: StoredId;
  readonly change: Change;
}

/**
 * The changes of a page as they are given out: none of a counter that was deleted without its history, or by hand.
 *
 * @param counters  those of commits.counterIds
 */
export function toChanges(
  { commits }: Pick<LogPage, "commits">,
  counters: readonly (LoggedCounter | undefined)[],
): StoredChange[] {
  const given: StoredChange[] = [];
  const { changes } = commits;
  for (let i = 0; i < commits.count; i++) {
    const position = commits.position(i);
    for (let k = commits.start(i); k < commits.ends[i]!; k++) {
      const counter = counters[changes.counters[k]!];
      if (counter === undefined || (!counter.history && changes.kinds[k] !== ChangeKind.DELETE)) continue;
      given.push({ ...changes.copy(k), name: counter.name, uid: counter.uid, position });
    }
  }
  return given;
}

/** A page ends with the commit that brings it to so many bytes: a commit may have 8,000 changes. */
export const PAGE_BYTES = 1_000_000;
