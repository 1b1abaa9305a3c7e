import { CORRUPT } from "../../core/batch.ts";
import type { Batch, Outcomes } from "../../core/columns.ts";
import type { FullCounter } from "../../core/counter.ts";
import type { Epoch } from "../../core/epoch.ts";
import { TallyError } from "../../core/errors.ts";
import type { AsOf } from "../../core/present.ts";
import type { Order, Selection, Sum } from "../../core/selection.ts";
import type { Store, StoreOptions, StoreTraits } from "../../service/store.ts";
import type { Accepting } from "../../service/store-accepting.ts";
import type { BackupMaking } from "../../service/store-backup.ts";
import type { Catalogue } from "../../service/store-catalogue.ts";
import type { Copying } from "../../service/store-copying.ts";
import type { Verifying } from "../../service/store-findings.ts";
import type { KeyUses } from "../../service/store-key-uses.ts";
import type { ChangeLogReads } from "../../service/store-log.ts";
import type { ChangePage, CounterPage, Counters } from "../../service/store-pages.ts";
import type { PolicyReads } from "../../service/store-policies.ts";
import type { StoreSize } from "../../service/store-size.ts";
import { covers } from "../shared/log-mark.ts";
import type { SqliteArchive } from "./archiving.ts";
import { backupsOf } from "./backup/in-process.ts";
import { acceptingOf, catalogueOf, changeLogOf, copyingOf, keyUsesOf } from "./copying.ts";
import { type CrossingOutcomes, packBatch, unpackOutcomes } from "./crossing.ts";
import type { Disk } from "./disk.ts";
import type { SqliteHistory } from "./history.ts";
import { SqliteHistoryCopying } from "./history-copying.ts";
import type { GetRequest, ListRequest, Read, WalkRequest } from "./read/read-worker.ts";
import type { ScanThread } from "./scan-thread.ts";
import type { Thread } from "./thread.ts";
import { verifyingOf } from "./verify/in-process.ts";
import { momentOf } from "./write/running-time.ts";
import type {
  CloseRequest,
  CommitRequest,
  MaintainAnswer,
  MaintainRequest,
  NameLogRequest,
  SealRequest,
  WriteOpened,
} from "./write/write-worker.ts";

/** Counters in one SQLite file: a thread that writes, a thread that reads, and this side, which only asks. */
export class SqliteStore implements Store {
  readonly traits: StoreTraits;
  readonly epoch: Epoch;
  readonly failed: Promise<Error>;
  readonly changeLog: ChangeLogReads;
  readonly catalogue: Catalogue;
  readonly keyUses: KeyUses;
  readonly copying: Copying;
  readonly accepting: Accepting;
  readonly backups: BackupMaking;
  readonly verifying: Verifying;
  readonly policies: PolicyReads = {
    progress: async (prefix, signal) => {
      await this.#beforeScan();
      return this.#scanner.policyProgress({ prefix }, signal);
    },
  };
  readonly #writer: Thread;
  readonly #file: Writing;
  readonly #reader: Thread;
  readonly #scanner: ScanThread;
  readonly #disk: Disk;
  readonly history: SqliteHistory | undefined;
  readonly archive: SqliteArchive | undefined;
  readonly #historyCopying: SqliteHistoryCopying;
  readonly #options: StoreOptions;
  #closed = false;

  constructor(
    file: Writing,
    reader: Thread,
    scanner: ScanThread,
    disk: Disk,
    history: SqliteHistory | undefined,
    archive: SqliteArchive | undefined,
    options: StoreOptions,
    { path, sqliteVersion, epoch }: Pick<WriteOpened, "sqliteVersion" | "epoch"> & { readonly path: string },
  ) {
    this.epoch = epoch;
    this.history = history;
    this.archive = archive;
    this.#disk = disk;
    this.#file = file;
    this.#writer = file.thread;
    this.#reader = reader;
    this.#scanner = scanner;
    this.#options = options;
    this.#historyCopying = new SqliteHistoryCopying({
      ...{ path, reader, served: history, clock: options.clock, newUid: options.newUid, warn: options.warn },
      nameLog: () => nameLog(this.#writer, options),
    });
    const threads = { writer: this.#writer, reader, clock: options.clock, newUid: options.newUid };
    this.changeLog = changeLogOf(threads);
    this.catalogue = catalogueOf(threads);
    this.keyUses = keyUsesOf(threads);
    this.copying = copyingOf(threads, this.#historyCopying);
    this.accepting = acceptingOf(threads);
    this.backups = backupsOf(path);
    this.verifying = verifyingOf(path);
    this.failed = Promise.race([file.thread.failed, reader.failed]);
    this.traits = {
      title: `SQLite ${sqliteVersion}, ${path}`,
      promise: "Every answered change is on disk (fsync) before its answer leaves.",
      durability: "fsync",
      groups: "all",
      enforcesBounds: true,
      commitsInFlight: 1,
      time: "process",
    };
  }

  async commit(batch: Batch): Promise<Outcomes> {
    const { clock, newUid } = this.#options;
    const pace = this.history?.pace();
    if (pace !== undefined) await pace;
    const { packed, transfer } = packBatch(batch);
    const request: CommitRequest = { batch: packed, moment: momentOf(clock), uidSeed: newUid() };
    return unpackOutcomes(await this.#writer.ask<CrossingOutcomes>("commit", request, transfer));
  }

  now(): number {
    return this.#options.clock.now();
  }

  async get(names: readonly string[]): Promise<(FullCounter | undefined | typeof CORRUPT)[]> {
    const read = await this.#reader.ask<Read[]>("get", { names, ...this.#asOf } satisfies GetRequest);
    return read.map((counter) => (counter === "corrupt" ? CORRUPT : counter));
  }

  list(selection: Selection, from: string, limit: number, marked = false): Promise<CounterPage> {
    return this.#reader.ask("list", { selection, from, limit, marked, ...this.#asOf } satisfies ListRequest);
  }

  covers(mark: string, position: string): boolean {
    return covers(mark, position);
  }

  async top(selection: Selection, n: number, order: Order, signal?: AbortSignal): Promise<Counters> {
    await this.#beforeScan();
    return this.#scanner.top({ selection, n, order, ...this.#asOf }, signal);
  }

  async sum(selection: Selection, signal?: AbortSignal): Promise<Sum> {
    await this.#beforeScan();
    return this.#scanner.sum({ selection, ...this.#asOf }, signal);
  }

  changesSince(cursor: string, limit: number): Promise<ChangePage> {
    return this.#reader.ask("changesSince", { cursor, limit } satisfies WalkRequest);
  }

  async maintain(): Promise<boolean> {
    const { clock, warn } = this.#options;
    const { history } = this;
    const request: MaintainRequest = { moment: momentOf(clock), history: history?.told };
    const { more, doubted, warnings, behind } = await this.#writer.ask<MaintainAnswer>("maintain", request);
    for (const warning of warnings) warn(warning);
    if (history === undefined) return more;
    history.noteBehind(behind);
    return (await history.maintain(doubted)) || more;
  }

  async size(): Promise<StoreSize> {
    const [counters, { bytes, roomBytes }] = await Promise.all([
      this.#reader.ask<number>("countCounters", undefined),
      this.#disk.look(),
    ]);
    return { counters, bytes, roomBytes };
  }

  async probeReads(): Promise<void> {
    await this.#reader.ask("get", { names: ["a"], ...this.#asOf } satisfies GetRequest); // Whether it is there or not.
  }

  async probeWrites(thorough: boolean): Promise<void> {
    await this.#disk.assertWritable();
    if (thorough) await this.#writer.ask("tryWrite", momentOf(this.#options.clock));
    else await this.#writer.ask("alive", undefined);
  }

  /** The thread that scans is not asked: it may rightly be at one for as long as its caller waits. */
  threadsAnswer(): Promise<unknown> {
    const alive = [this.#writer, this.#reader].map((thread) => thread.ask("alive", undefined));
    return Promise.all([...alive, this.history?.answers()]);
  }

  get #asOf(): AsOf {
    const { purpose = "serve" } = this.#options;
    return { now: this.now(), asStored: purpose !== "serve" };
  }

  close(): Promise<void> {
    return this.#close(false);
  }

  discard(): Promise<void> {
    return this.#close(true);
  }

  async #close(inVain: boolean): Promise<void> {
    this.#closed = true;
    // First: while they read, the WAL cannot be taken in whole.
    await Promise.all([this.#scanner.close(), this.#reader.close(undefined), this.#closeHistory()]);
    try {
      const inOrder = await closeWriter(this.#file, {
        moment: momentOf(this.#options.clock),
        history: this.history?.told,
        inVain,
      });
      if (inOrder) await this.archive?.closed();
    } finally {
      await this.archive?.close();
    }
  }

  async #closeHistory(): Promise<void> {
    await Promise.all([this.history?.close(), this.#historyCopying.close()]);
  }

  /**
   * While a scan reads, the WAL cannot be begun anew. So that it does not grow without end while scans follow each
   * other closely, what it has grown by is taken into the file between them.
   */
  async #beforeScan(): Promise<void> {
    await this.#writer.ask("checkpoint", undefined);
    if (this.#closed) throw new TallyError("STORE_UNAVAILABLE", "the store is closed");
  }
}

/** Have the change log known by an id. @returns  whether it had one */
export function nameLog(
  writer: Thread,
  { clock, newUid }: Pick<StoreOptions, "clock" | "newUid">,
): Promise<boolean> {
  return writer.ask("nameLog", { newId: newUid(), moment: momentOf(clock) } satisfies NameLogRequest);
}

/** The thread that writes, and what closes the connection that keeps its own from being the last. */
export interface Writing {
  readonly thread: Thread;
  readonly letGo: (() => void) | undefined;
}

/** When it has failed, it is left as it is, and so is what it has written. @returns  whether it was closed in order */
export async function closeWriter({ thread, letGo }: Writing, request: SealRequest): Promise<boolean> {
  if (thread.hasEnded) return false;
  await thread.ask("seal", request);
  letGo?.();
  await thread.close(request satisfies CloseRequest);
  return true;
}
