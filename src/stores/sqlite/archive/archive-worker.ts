/** The thread that archives what the one that writes has committed. */
import type { MessagePort } from "node:worker_threads";
import { serveThread } from "../thread.ts";
import { Archiver } from "./archiver.ts";
import { ArchiveLost, FolderAway } from "./place.ts";
import { ArchiveShared, type GateMessage, type OpenAnswer } from "./shared.ts";

/** What the thread is started with. */
export interface ArchiveData {
  readonly dir: string;
  /** The real path of the data file. */
  readonly path: string;
  readonly shared: SharedArrayBuffer;
  /** From the thread that writes. */
  readonly port: MessagePort;
}

/** What is known of the archive beside its numbers. */
export interface ArchiveSaid {
  /** Why nothing could be archived when that was tried last; undefined when it could. */
  readonly failure: string | undefined;
  /** Why it was begun anew, as what follows "because". */
  readonly why: string | undefined;
}

serveThread<ArchiveData>(({ dir, path, shared: buffer, port }) => {
  const shared = new ArchiveShared(buffer);
  const archiver = new Archiver(dir, path, () => shared.progressed());
  let failure: string | undefined;
  port.on("message", (message: GateMessage) => {
    try {
      const answer = done(archiver, shared, message);
      if (answer !== undefined) port.postMessage(answer);
      if (!("giveUp" in message)) {
        failure = undefined;
        shared.away = false;
      }
      shared.ended(message.serial, "done");
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
      shared.able = false;
      shared.away = error instanceof FolderAway;
      shared.lost = error instanceof ArchiveLost;
      shared.ended(message.serial, "failed");
    }
  });
  return {
    opened: undefined,
    handlers: {
      said: (): ArchiveSaid => ({ failure, why: archiver.why }),
      closed: () => archiver.closed(path),
      close: () => {
        port.close();
        archiver.close();
      },
    },
  };
});

/** @returns  what the asking thread is answered, where it waits for that */
function done(archiver: Archiver, shared: ArchiveShared, message: GateMessage): OpenAnswer | undefined {
  if ("open" in message) {
    const position = archiver.open(message.open);
    shared.able = true;
    shared.beganMs = archiver.began;
    return { position };
  }
  if ("begin" in message) {
    archiver.begin(message.begin);
    shared.beganMs = archiver.began;
    shared.upToMs = message.begin.now;
  } else if ("point" in message) {
    const since = performance.now();
    if (archiver.take(message.point)) shared.tookMs = performance.now() - since;
    shared.upToMs = message.point.now;
  } else if ("probe" in message) {
    archiver.probe();
    shared.able = true;
  } else archiver.giveUp();
  return undefined;
}
