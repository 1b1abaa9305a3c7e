/** The thread that owns the lock and the only connection that writes. */
import type { CatalogueWrite } from "../../../core/catalogue.ts";
import type { Epoch } from "../../../core/epoch.ts";
import type { ExportHead, ImportPart } from "../../../service/store-copying.ts";
import type { Metrics } from "../../../telemetry/metrics.ts";
import { type CrossingBatch, type CrossingOutcomes, packOutcomes, unpackBatch } from "../crossing.ts";
import { holdLock } from "../file/lock.ts";
import { startFailure } from "../start-failure.ts";
import { serveThread } from "../thread.ts";
import type { AcceptRequest } from "./accepting.ts";
import { type LogBehind, WriteConnection, type WriteOptions } from "./connection.ts";
import type { HistoryTold } from "./history-binding.ts";
import { MadeFiles } from "./in-vain.ts";
import type { Moment } from "./running-time.ts";

/** What the thread is started with. */
export interface WriteData extends WriteOptions {
  readonly path: string;
  readonly moment: Moment;
}

/** What the thread says once it has the file. */
export interface WriteOpened {
  readonly sqliteVersion: string;
  /** The schema of an older Tally, that the file had. */
  readonly migratedFrom: number | undefined;
  readonly epoch: Epoch;
}

/** A batch to be committed, and when. */
export interface CommitRequest {
  readonly batch: CrossingBatch;
  readonly moment: Moment;
  readonly uidSeed: string;
}

/** The beginning of a copy from the file. */
export interface HeadRequest {
  readonly newId: string;
  readonly moment: Moment;
}

/** The beginning of a copy into the file. */
export interface BeginRequest {
  readonly head: ExportHead;
  readonly moment: Moment;
}

/** A part of a copy into the file. */
export interface ImportRequest {
  readonly part: ImportPart;
  readonly moment: Moment;
}

/** An entry of the catalogue to be written, and when. */
export interface CatalogueRequest {
  readonly entry: CatalogueWrite;
  readonly moment: Moment;
}

/** When keys were used, to be noted, and when that is. */
export interface KeyUsesRequest {
  readonly hours: ReadonlyMap<string, number>;
  readonly moment: Moment;
}

/** An AcceptRequest, with the time and the uids that it needs. */
export interface AcceptMessage extends AcceptRequest {
  readonly moment: Moment;
  readonly newUids: readonly string[];
}

/** A slice of maintenance, and how far the file's history is, where one is kept. */
export interface MaintainRequest {
  readonly moment: Moment;
  readonly history: HistoryTold | undefined;
}

/** What a slice of maintenance came to. */
export interface MaintainAnswer {
  readonly more: boolean;
  /** Whether the wall clock is in doubt. */
  readonly doubted: boolean;
  readonly warnings: readonly string[];
  /** How far the log is beyond the history, where one is kept. */
  readonly behind: LogBehind | undefined;
}

/** An id for the change log, if it has none. */
export interface NameLogRequest {
  readonly newId: string;
  readonly moment: Moment;
}

/** The end of what is written, and how far the file's history is. */
export interface SealRequest extends MaintainRequest, CloseRequest {}

/** The end. */
export interface CloseRequest {
  readonly moment: Moment;
  /** Whether the file was opened in vain: see Store.discard. */
  readonly inVain: boolean;
}

serveThread<WriteData>((data, metrics) => {
  const { lock, files, connection } = opened(data, metrics);
  return {
    opened: {
      sqliteVersion: connection.sqliteVersion,
      migratedFrom: connection.migratedFrom,
      epoch: connection.epoch,
    } satisfies WriteOpened,
    handlers: {
      commit: ({ batch, moment, uidSeed }: CommitRequest) =>
        packOutcomes(connection.commit(unpackBatch(batch), moment, uidSeed)),
      maintain: ({ moment, history }: MaintainRequest): MaintainAnswer => {
        const warnings: string[] = [];
        connection.tellHistory(history);
        if (connection.checkpoints.archive(moment.now)) connection.tryWrite(moment);
        const more = connection.maintain(moment, (warning) => warnings.push(warning));
        const behind = history && connection.behind(history);
        return { more, doubted: connection.clockDoubted, warnings, behind };
      },
      nameLog: ({ newId, moment }: NameLogRequest) => {
        const had = connection.nameLog(newId, moment);
        if (!had) files.named();
        return had;
      },
      alive: () => undefined,
      tryWrite: (moment: Moment) => connection.tryWrite(moment),
      exportHead: ({ newId, moment }: HeadRequest) => connection.copying.exportHead(moment, newId),
      importState: () => connection.copying.importState(),
      beginImport: ({ head, moment }: BeginRequest) => connection.copying.beginImport(head, moment),
      import: ({ part, moment }: ImportRequest) => connection.copying.import(part, moment),
      endLog: (moment: Moment) => connection.copying.endLog(moment),
      endImport: (moment: Moment) => connection.copying.endImport(moment),
      writeCatalogue: ({ entry, moment }: CatalogueRequest) => connection.writeCatalogue(entry, moment),
      noteKeyUses: ({ hours, moment }: KeyUsesRequest) => connection.noteKeyUses(hours, moment),
      accept: ({ moment, newUids, ...request }: AcceptMessage) => connection.accept(request, moment, newUids),
      checkpoint: () => connection.checkpoints.ifGrown(),
      seal: ({ moment, history, inVain }: SealRequest) => {
        connection.tellHistory(history);
        if (inVain) files.undo(connection, moment);
        connection.seal(moment);
      },
      close: ({ moment, inVain }: CloseRequest) => {
        connection.close(moment);
        if (inVain) files.remove(connection);
        else lock.release();
      },
    },
    after: () => connection.checkpoints.ifDue(),
    transfer: (result) => (isOutcomes(result) ? [result.buffer as ArrayBuffer] : []),
  };
});

function opened(data: WriteData, metrics: Metrics) {
  let lock: ReturnType<typeof holdLock> | undefined;
  try {
    lock = holdLock(data.path);
    const files = new MadeFiles(data.path, lock);
    return { lock, files, connection: new WriteConnection(data.path, { ...data, metrics }, data.moment) };
  } catch (error) {
    lock?.abandon();
    throw startFailure(data.path, error);
  }
}

function isOutcomes(result: unknown): result is CrossingOutcomes {
  return typeof result === "object" && result !== null && "buffer" in result;
}
