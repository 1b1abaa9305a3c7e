import { type ChangeColumns, ChangeKind } from "../../core/change.ts";
import type { ImportPart } from "../../service/store-copying.ts";
import type { ChangePage, StoredChange } from "../../service/store-pages.ts";
import { Dropping } from "../shared/dropping.ts";
import { cursorInOpenings, parseCursor } from "../shared/log-cursor.ts";
import { openingAt } from "../shared/opening.ts";

/** The change log, kept within its size by dropping the oldest commits whole. */
export class ChangeLogInMemory {
  readonly #bytesMax: number;
  readonly #log: Commit[] = [];
  /** By uid: what is left of the changes that were dropped. */
  readonly #openings = new Map<string, StoredChange>();
  /** The uids of counters that were deleted without their history, while the log has their deletion. */
  readonly #hidden = new Set<string>();
  #bytes = 0;
  #position = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get empty(): boolean {
    return this.#log.length === 0 && this.#openings.size === 0;
  }

  /** The position of the latest commit; each moves it. */
  get end(): number {
    return this.#position;
  }

  append(columns: ChangeColumns, counterAt: (index: number) => { name: string; uid: string }): void {
    const position = `${this.#position + 1}`;
    this.#add(
      Array.from({ length: columns.count }, (_, k): StoredChange => {
        const { name, uid } = counterAt(columns.counters[k]!);
        return { ...columns.copy(k), name, uid, position };
      }),
    );
  }

  /** The counter was deleted, and its history is not to be given out. */
  hide(uid: string): void {
    this.#hidden.add(uid);
    this.#openings.delete(uid);
  }

  /** See Store.changesSince. */
  since(cursor: string, limit: number): ChangePage {
    const { openedTo, position } = parseCursor(cursor, UID);
    const after = Number(position);
    const floor = (this.#log[0]?.position ?? this.#position + 1) - 1;
    if (after < floor || openedTo !== undefined) {
      const uids = [...this.#openings.keys()].filter((uid) => openedTo === undefined || uid > openedTo);
      const page = uids.sort().slice(0, limit);
      const from = openedTo === undefined ? floor : after;
      if (page.length === 0) return this.since(`${from}`, limit);
      return {
        changes: page.map((uid) => this.#openings.get(uid)!),
        cursor: cursorInOpenings(from, page.at(-1)!),
      };
    }
    const changes: StoredChange[] = [];
    let end = cursor;
    for (const commit of this.#log) {
      if (commit.position <= after) continue;
      const shown = commit.changes.filter((change) => this.#isShown(change));
      if (changes.length > 0 && changes.length + shown.length > limit) break;
      changes.push(...shown);
      end = `${commit.position}`;
    }
    return { changes, cursor: end };
  }

  /** Drop what is beyond the size, but never the newest commit. Returns whether there was anything to drop. */
  drop(): boolean {
    const dropping = new Dropping<string>();
    const any = this.#isTooLarge;
    while (this.#isTooLarge) {
      const { changes } = this.#log.shift()!;
      this.#bytes -= changes.length * CHANGE_BYTES;
      dropping.take(changes.map((change) => ({ id: change.uid, change })));
    }
    for (const [uid, change] of dropping.openings) {
      if (!this.#hidden.has(uid))
        this.#openings.set(uid, { ...(change as StoredChange), ...openingAt(change) });
    }
    for (const uid of dropping.gone) {
      this.#openings.delete(uid);
      this.#hidden.delete(uid);
    }
    return any;
  }

  get #isTooLarge(): boolean {
    return this.#bytes > this.#bytesMax && this.#log.length > 1;
  }

  clear(): void {
    this.#log.length = 0;
    this.#openings.clear();
    this.#hidden.clear();
    this.#bytes = 0;
    this.#position = 0;
  }

  import({ openings = [], commits = [] }: ImportPart): void {
    // Openings are given to those who have read nothing yet, so there must be something before the first change.
    this.#position ||= 1;
    for (const opening of openings) {
      this.#openings.set(opening.uid, { ...opening, position: `${this.#position}` });
    }
    for (const commit of commits) {
      const position = `${this.#position + 1}`;
      this.#add(commit.map((change) => ({ ...change, position })));
    }
  }

  #add(changes: readonly StoredChange[]): void {
    this.#log.push({ position: ++this.#position, changes });
    this.#bytes += changes.length * CHANGE_BYTES;
  }

  #isShown({ kind, uid }: StoredChange): boolean {
    return kind === ChangeKind.DELETE || !this.#hidden.has(uid);
  }
}

interface Commit {
  readonly position: number;
  readonly changes: readonly StoredChange[];
}

/** About what a change takes; the bound is in bytes for every store. */
const CHANGE_BYTES = 32;

/** Counters by their uids. */
const UID = /^[0-9a-f-]{36}$/;
