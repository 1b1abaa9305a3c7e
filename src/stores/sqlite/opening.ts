import { existsSync } from "node:fs";
import type { ResourceLimits } from "node:worker_threads";
import type { Store, StoreOptions } from "../../service/store.ts";
import { knowKept } from "../../telemetry/kept.ts";
import { Metrics } from "../../telemetry/metrics.ts";
import { unusable } from "../shared/unusable.ts";
import { SqliteArchive } from "./archiving.ts";
import { Disk } from "./disk.ts";
import { realPathOf } from "./file/real-path.ts";
import { SqliteHistory } from "./history.ts";
import { ScanThread } from "./scan-thread.ts";
import { SCHEMA_VERSION } from "./schema/schema.ts";
import { closeWriter, nameLog, SqliteStore } from "./store.ts";
import { Thread } from "./thread.ts";
import { keepOpen } from "./write/opening.ts";
import { momentOf } from "./write/running-time.ts";
import type { WriteData, WriteOpened } from "./write/write-worker.ts";

/**
 * Counters in one SQLite file: a thread that writes, a thread that reads, and this side, which only asks.
 *
 * @param path  of the data file; made if missing. Its WAL (`-wal`, `-shm`) and lock (`-lock`) stand beside it
 * @throws TallyError STORE_UNAVAILABLE, with one sentence for the operator
 */
export async function openSqlite(path: string, options: StoreOptions): Promise<Store> {
  const real = await realPathOf(path);
  const { clock, retention, cachedCountersMax, purpose, migrates, metrics = new Metrics() } = options;
  if (purpose === "copyFrom") assertThere(real);
  const moment = momentOf(clock);
  const startId = options.newUid();
  const archiving = await archiveOf(real, options);
  const { line } = archiving ?? {};
  const data: WriteData = {
    ...{ path: real, retention, cachedCountersMax, purpose, migrates, startId, moment },
    archive: line,
  };
  const { thread: writer, opened } = await Thread.start<WriteOpened>("write/write-worker", data, {
    resourceLimits: writerHeap(cachedCountersMax),
    measured: { metrics, name: "write" },
    transfer: line === undefined ? [] : [line.port],
  }).catch(async (error: unknown) => {
    await archiving?.archive.close();
    throw error;
  });
  if (opened.migratedFrom !== undefined) {
    options.warn(
      `The file was of schema ${opened.migratedFrom} and now is of ${SCHEMA_VERSION}: the Tally before can no longer open it.`,
    );
  }
  let letGo: (() => void) | undefined;
  let reader: Thread | undefined;
  try {
    letGo = keepOpen(real);
    await archiving?.archive.opened();
    const measured = { metrics, name: "read" } as const;
    ({ thread: reader } = await Thread.start("read/read-worker", { path: real }, { measured }));
    const history = await openHistory(real, writer, reader, options);
    knowStore(metrics);
    return new SqliteStore(
      { thread: writer, letGo },
      reader,
      new ScanThread(real, metrics),
      new Disk(real, metrics),
      history,
      archiving?.archive,
      options,
      { path: real, ...opened },
    );
  } catch (error) {
    await reader?.close(undefined);
    await closeWriter(
      { thread: writer, letGo },
      { moment: momentOf(clock), history: undefined, inVain: true },
    );
    await archiving?.archive.close();
    throw error;
  }
}

/** Have it told what a store in a file has; how large its files are is known once it was looked. */
function knowStore(metrics: Metrics): void {
  knowKept(metrics);
  for (const outcome of ["hit", "miss"] as const) metrics.know("rowCache", { outcome });
}

/** The thread that archives, where one is to: before the one that writes, which tells it of all that it does. */
async function archiveOf(path: string, { archive, purpose = "serve" }: StoreOptions) {
  if (archive === undefined || purpose !== "serve") return undefined;
  return SqliteArchive.start(path, archive);
}

/** The history beside the file, where one is to be kept. */
async function openHistory(
  path: string,
  writer: Thread,
  reader: Thread,
  { clock, newUid, warn, metrics, history: options, purpose = "serve" }: StoreOptions,
): Promise<SqliteHistory | undefined> {
  if (options === undefined || purpose !== "serve") return undefined;
  const expected = await nameLog(writer, { clock, newUid });
  return SqliteHistory.open({ path, options, reader, clock, newUid, warn, metrics, expected });
}

/**
 * The cached rows are nearly all that lives in the writer's heap, 500 bytes each. Left alone, V8 lets it grow to
 * several times that before it looks for what is dead. Room for twice the rows, and for the largest batches.
 */
function writerHeap(cachedCountersMax: number): ResourceLimits {
  return { maxYoungGenerationSizeMb: 48, maxOldGenerationSizeMb: 128 + Math.ceil(cachedCountersMax / 1_000) };
}

/** A mistyped name is not to be an empty store that is copied. */
function assertThere(path: string): void {
  if (existsSync(path)) return;
  throw unusable(`There is no file ${path} to copy from.`, Object.assign(new Error(), { code: "ENOENT" }));
}
