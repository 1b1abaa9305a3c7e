import { MessageChannel } from "node:worker_threads";
import type { ArchiveStatus, Archiving } from "../../service/store-archive.ts";
import type { ArchiveData, ArchiveSaid } from "./archive/archive-worker.ts";
import type { GateLine } from "./archive/gate.ts";
import { ArchiveShared } from "./archive/shared.ts";
import { Thread } from "./thread.ts";

/** Asks the thread that archives. */
export class SqliteArchive implements Archiving {
  readonly #thread: Thread;
  readonly #shared: ArchiveShared;
  /** What it has said last. */
  #said: ArchiveSaid = { failure: undefined, why: undefined };
  #asking = false;

  private constructor(thread: Thread, shared: ArchiveShared) {
    this.#thread = thread;
    this.#shared = shared;
  }

  /**
   * @param path  the real path of the data file
   * @returns     it, and by what the thread that writes reaches it
   */
  static async start(
    path: string,
    { dir, waitingBytesMax = WAITING_BYTES_MAX }: { readonly dir: string; readonly waitingBytesMax?: number },
  ): Promise<{ archive: SqliteArchive; line: GateLine }> {
    const shared = new ArchiveShared();
    const { port1, port2 } = new MessageChannel();
    const data: ArchiveData = { dir, path, shared: shared.buffer, port: port1 };
    const { thread } = await Thread.start("archive/archive-worker", data, { transfer: [port1] });
    const line = { shared: shared.buffer, port: port2, waitingBytesMax };
    return { archive: new SqliteArchive(thread, shared), line };
  }

  /** Hear what it says of the start. */
  async opened(): Promise<void> {
    await this.#orLate(this.#ask());
  }

  get status(): ArchiveStatus {
    void this.#ask();
    const { state, breaks, upToMs, beganMs, away: isAway } = this.#shared;
    return { state, breaks, upToMs, beganMs, isAway, ...this.#said };
  }

  /** The data file was closed in order, and nothing is written to it any more. */
  async closed(): Promise<void> {
    await this.#orLate(this.#thread.ask("closed", undefined));
  }

  async close(): Promise<void> {
    await this.#orLate(this.#thread.close(undefined));
    await this.#orLate(this.#thread.end()); // One that waits for its folder does not end.
  }

  /** A folder that does not answer holds up nobody: the next one to be asked is when it has. */
  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      this.#said = await this.#thread.ask<ArchiveSaid>("said", undefined);
    } catch {
      return; // It is closed; or it has failed, which shows by what it does not archive.
    } finally {
      this.#asking = false;
    }
  }

  /** What fails here is left to the next start, which finds out what is missing. */
  async #orLate(asked: Promise<unknown>): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, CLOSE_MS);
    await Promise.race([asked.catch(() => {}), late]);
    clearTimeout(timer);
  }
}

/** What may wait to be archived. */
const WAITING_BYTES_MAX = 2 ** 30;
const CLOSE_MS = 5_000;
