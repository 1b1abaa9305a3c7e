/** Whether an archive's folder still is the one that was archived into: only while it is, anything is written there. */

import { statSync } from "node:fs";
import { join } from "node:path";
import { TallyError } from "../../../core/errors.ts";
import { holdLock, type Lock } from "../file/lock.ts";
import { isSame, statOf } from "../file/whereabouts.ts";

/** What is to be archived into is not there, or nobody knows whether it is: it may come back with all that is in it. */
export class FolderAway extends TallyError {
  constructor(message: string) {
    super("STORE_UNAVAILABLE", message);
  }
}

/** What was archived is gone, on the disk that it was on: it is begun anew. */
export class ArchiveLost extends TallyError {
  constructor(message: string) {
    super("STORE_UNAVAILABLE", message);
  }
}

/**
 * The folder of an archive, which somebody has made. It is held by a lock in it, and known by the disk that it is on: the empty
 * place of one that is not mounted looks like a folder that was made anew.
 */
export class ArchivePlace {
  readonly dir: string;
  /** Of the disk, once anything was written there. */
  #device: bigint | undefined;
  #lock: Lock | undefined;
  /** What stands at the lock's path while it is held. */
  #held: ReturnType<typeof statOf>;

  constructor(dir: string) {
    this.dir = dir;
  }

  /**
   * @param isKnown  whether something in it shows that it is the right one, whatever disk it is on
   * @throws FolderAway  or what keeps it from being looked at
   */
  assertThere(isKnown: () => boolean): void {
    const found = statSync(this.dir, { bigint: true, throwIfNoEntry: false });
    if (!found?.isDirectory()) throw new FolderAway(`${this.dir} is not there, or is no folder.`);
    if (this.#device === undefined || found.dev === this.#device || isKnown()) return;
    throw new FolderAway(
      `${this.dir} is another disk's than what was archived, which is not in it: mount that one again, and it goes on; or restart the server, and the archive begins anew in what is there now.`,
    );
  }

  /**
   * Hold it, which is there; one that was made anew, once more.
   *
   * @throws TallyError STORE_UNAVAILABLE  while another process has it
   */
  hold(): void {
    const path = join(this.dir, LOCKED);
    const found = statOf(`${path}-lock`);
    if (found !== undefined && this.#held !== undefined && isSame(found, this.#held)) return;
    this.release();
    this.#lock = holdLock(path);
    this.#held = statOf(`${path}-lock`);
    this.#device = statSync(this.dir, { bigint: true }).dev;
  }

  release(): void {
    this.#lock?.release();
    this.#lock = undefined;
    this.#held = undefined;
  }
}

const LOCKED = "archive";
