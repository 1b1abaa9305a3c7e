import type { StoreOptions } from "../../service/store.ts";
import { DEFAULT_HISTORY } from "../../service/store-history.ts";
import type { HistoryExport, HistoryPart } from "../../service/store-history-copying.ts";
import { historyBeside } from "./history/connection.ts";
import { removeHistory } from "./history/file.ts";
import { historyPathOf } from "./history/path.ts";
import { SqliteHistory } from "./history.ts";
import type { Thread } from "./thread.ts";

/** Whom to ask, and what is told with it. */
interface Parts extends Pick<StoreOptions, "clock" | "newUid" | "warn"> {
  /** Of the data file. */
  readonly path: string;
  readonly reader: Thread;
  /** The one that is served, and taken into, if any is. */
  readonly served: SqliteHistory | undefined;
  /** Have the change log known by an id, if it has none. */
  readonly nameLog: () => Promise<unknown>;
}

/** The history beside a data file, for copies from it and into it; opened when one first asks. */
export class SqliteHistoryCopying {
  readonly #parts: Parts;
  #history: SqliteHistory | undefined;
  #told = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#history = parts.served;
  }

  /** See Copying.exportHistory. One that does not fit the data file is left where it is. */
  async exported(): Promise<HistoryExport | undefined> {
    const { path, warn } = this.#parts;
    if (this.#history !== undefined) return this.#history.exported;
    const found = historyBeside(path);
    if (found === undefined) return undefined;
    if (typeof found === "string") {
      if (!this.#told) warn(`${historyPathOf(path)} is not copied: ${found}.`);
      this.#told = true;
      return undefined;
    }
    return found.cursor === "" ? undefined : (await this.#open()).exported;
  }

  /** Whether one stands there that has anything, or that nobody knows of. */
  async isThere(): Promise<boolean> {
    if (this.#history !== undefined) return (await this.#history.exported.rows("", 1)).rows.length > 0;
    const found = historyBeside(this.#parts.path);
    return typeof found === "string" || (found?.tables.counters.rows ?? 0) > 0;
  }

  /** Take away what a copy before has brought. */
  async clear(): Promise<void> {
    await this.close();
    this.#history = undefined;
    removeHistory(historyPathOf(this.#parts.path));
  }

  async import(part: HistoryPart): Promise<void> {
    const { nameLog } = this.#parts;
    if (this.#history === undefined) {
      await nameLog();
      await this.#open();
    }
    await this.#history!.import(part);
  }

  /** Have it on disk, if it was opened here. */
  async close(): Promise<void> {
    if (this.#history !== this.#parts.served) await this.#history?.close();
  }

  async #open(): Promise<SqliteHistory> {
    const { path, reader, clock, newUid, warn } = this.#parts;
    const parts = { path, reader, clock, newUid, warn, options: DEFAULT_HISTORY, expected: false };
    this.#history = await SqliteHistory.open(parts);
    return this.#history;
  }
}
