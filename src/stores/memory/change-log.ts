import type { ChangeColumns } from "../../core/change.ts";
import type { FullCounter } from "../../core/counter.ts";
import type { ImportPart } from "../../service/store-copying.ts";
import type { LoggedCounter, LogPage } from "../../service/store-log.ts";
import type { ChangePage, StoredChange } from "../../service/store-pages.ts";
import type { Kept } from "../../telemetry/kept.ts";
import { Dropping } from "../shared/dropping.ts";
import { parseCursor, UID } from "../shared/log-cursor.ts";
import { type Identified, LogPages, toChanges } from "../shared/log-page.ts";
import { openingAt } from "../shared/opening.ts";

/** The change log, kept within its size by dropping the oldest commits whole. */
export class ChangeLogInMemory {
  readonly #bytesMax: number;
  readonly #living: (name: string) => FullCounter | undefined;
  readonly #pages = new LogPages();
  readonly #log: Commit[] = [];
  /** By uid: what is left of the changes that were dropped. */
  readonly #openings = new Map<string, StoredChange>();
  /** The uids of counters that were deleted without their history, while the log has their deletion. */
  readonly #hidden = new Set<string>();
  /** The counters that the log has anything of, by numbers of their own, and the numbers by uid. */
  readonly #counters = new Map<number, Pick<StoredChange, "name" | "uid">>();
  readonly #ids = new Map<string, number>();
  #lastId = 0;
  #bytes = 0;
  #position = 0;

  /** @param living  the counter that has a name by now */
  constructor(bytesMax: number, living: (name: string) => FullCounter | undefined) {
    this.#bytesMax = bytesMax;
    this.#living = living;
  }

  get empty(): boolean {
    return this.#log.length === 0 && this.#openings.size === 0;
  }

  /** The position of the latest commit; each moves it. */
  get end(): number {
    return this.#position;
  }

  append(
    columns: ChangeColumns,
    counterAt: (index: number) => { name: string; uid: string },
    now: number,
  ): void {
    const position = `${this.#position + 1}`;
    this.#add(
      Array.from({ length: columns.count }, (_, k): StoredChange => {
        const { name, uid } = counterAt(columns.counters[k]!);
        return { ...columns.copy(k), name, uid, position };
      }),
      now,
    );
  }

  /** The counter was deleted, and its history is not to be given out. */
  hide(uid: string): void {
    this.#hidden.add(uid);
    this.#openings.delete(uid);
  }

  /** See Store.changesSince. */
  since(cursor: string, limit: number): ChangePage {
    const page = this.read(cursor, limit);
    return { changes: toChanges(page, this.counters(page.commits.counterIds)), cursor: page.cursor };
  }

  /** See ChangeLogReads.read. */
  read(cursor: string, limit: number): LogPage {
    const { openedTo, position } = parseCursor(cursor, UID);
    const after = Number(position);
    const floor = (this.#log[0]?.position ?? this.#position + 1) - 1;
    if (openedTo === undefined && after >= floor) return this.#commits(cursor, after, limit);
    const from = openedTo === undefined ? floor : after;
    const uids = [...this.#openings.keys()].filter((uid) => openedTo === undefined || uid > openedTo);
    const page = uids.sort().slice(0, limit);
    if (page.length === 0) return this.read(`${from}`, limit);
    const openings = page.map((uid) => this.#identified(this.#openings.get(uid)!));
    const dropped = openedTo === undefined && cursor !== "";
    return this.#pages.openings(openings, from, { openedTo: page.at(-1)!, dropped });
  }

  /** See ChangeLogReads.counters. */
  counters(ids: BigInt64Array): (LoggedCounter | undefined)[] {
    return Array.from(ids, (id) => {
      const counter = this.#counters.get(Number(id));
      if (counter === undefined) return undefined;
      const living = this.#living(counter.name);
      const untracked = living?.uid === counter.uid ? !living.history : undefined;
      return {
        ...counter,
        history: !this.#hidden.has(counter.uid),
        ...(untracked !== undefined && { untracked }),
      };
    });
  }

  #commits(cursor: string, after: number, limit: number): LogPage {
    this.#pages.begin(limit);
    for (const { position, time, changes } of this.#log) {
      if (position <= after) continue;
      const identified = changes.map((change) => this.#identified(change));
      if (!this.#pages.addChanges({ position, time }, identified, changes.length * CHANGE_BYTES)) break;
    }
    return this.#pages.commits(cursor);
  }

  #identified(change: StoredChange): Identified {
    const { name, uid } = change;
    let id = this.#ids.get(uid);
    if (id === undefined) {
      id = ++this.#lastId;
      this.#ids.set(uid, id);
      this.#counters.set(id, { name, uid });
    }
    return { id, change };
  }

  /**
   * Drop what is beyond the size, but never the newest commit. Returns whether there was anything to drop.
   *
   * @param held  the position after which nothing is dropped
   */
  drop(held?: bigint): boolean {
    const dropping = new Dropping<string>();
    let any = false;
    while (this.#isTooLarge && (held === undefined || this.#log[0]!.position <= held)) {
      any = true;
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
      this.#counters.delete(this.#ids.get(uid) ?? 0);
      this.#ids.delete(uid);
    }
    return any;
  }

  /** How much it has. */
  get kept(): Kept["changeLog"] {
    const [oldest] = this.#log;
    const [bytes, roomBytes] = [this.#bytes, this.#bytesMax];
    return { bytes, roomBytes, commits: this.#log.length, oldestMs: oldest?.time };
  }

  get #isTooLarge(): boolean {
    return this.#bytes > this.#bytesMax && this.#log.length > 1;
  }

  clear(): void {
    this.#log.length = 0;
    this.#openings.clear();
    this.#hidden.clear();
    this.#counters.clear();
    this.#ids.clear();
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
      const time = Math.min(...commit.map((change) => change.time)); // The commit's own is not told.
      this.#add(
        commit.map((change) => ({ ...change, position })),
        time,
      );
    }
  }

  #add(changes: readonly StoredChange[], time: number): void {
    this.#log.push({ position: ++this.#position, time, changes });
    this.#bytes += changes.length * CHANGE_BYTES;
  }
}

interface Commit {
  readonly position: number;
  readonly time: number;
  readonly changes: readonly StoredChange[];
}

/** About what a change takes; the bound is in bytes for every store. */
const CHANGE_BYTES = 32;
