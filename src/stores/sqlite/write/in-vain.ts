import { unlinkSync } from "node:fs";
import type { Lock } from "../file/lock.ts";
import { SIDECARS } from "../file/names.ts";
import { statOf } from "../file/whereabouts.ts";
import { historyFilesAt, removeEmptyWal, removeHistory } from "../history/file.ts";
import { historyPathOf } from "../history/path.ts";
import type { WriteConnection } from "./connection.ts";
import type { Moment } from "./running-time.ts";

/**
 * What an opening makes beside what was there, so that it can go again when it was in vain.
 *
 * Only what is known to have been made under the lock, which is still held while it goes: what another server has made
 * before, or makes afterwards, is not touched.
 */
export class MadeFiles {
  readonly #path: string;
  readonly #lock: Lock;
  readonly #history: readonly string[];
  #named = false;

  /** @param path  the real path of the data file, before it is opened */
  constructor(path: string, lock: Lock) {
    this.#path = path;
    this.#lock = lock;
    this.#history = historyFilesAt(historyPathOf(path));
  }

  /** The change log was given an id: without a history it is to have none again. */
  named(): void {
    this.#named = true;
  }

  /** Before the file is sealed. */
  undo(connection: WriteConnection, moment: Moment): void {
    if (this.#named && this.#history.length === 0) connection.unnameLog(moment);
  }

  /** Take them away, and let go of the lock. Once the file is closed, and its history. */
  remove({ made }: WriteConnection): void {
    try {
      const history = historyPathOf(this.#path);
      if (this.#history.length === 0) removeHistory(history);
      else if (!this.#history.includes("-wal")) removeEmptyWal(history);
      const sidecars = SIDECARS.filter((suffix) => suffix !== "-lock").map((suffix) => this.#path + suffix);
      if (made)
        for (const each of [this.#path, ...sidecars]) if (statOf(each) !== undefined) unlinkSync(each);
    } finally {
      this.#lock.abandon();
    }
  }
}
