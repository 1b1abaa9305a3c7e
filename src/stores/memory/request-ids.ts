import {
  type Generation,
  keptRequestIds,
  planGenerations,
  type RequestIdRetention,
} from "../../core/request-ids.ts";
import type { ExportHead, RequestIdPage, StoredRequestId } from "../../service/store-copying.ts";
import type { Kept } from "../../telemetry/kept.ts";

/** The answers under request ids, by generation. */
export class RequestIdsInMemory {
  readonly #retention: RequestIdRetention;
  /** Oldest first; the last is open. */
  #generations: RequestIds[] = [emptyGeneration({ id: 0, openedMs: 0, closedMs: undefined })];

  constructor(retention: RequestIdRetention) {
    this.#retention = retention;
  }

  get empty(): boolean {
    return this.#generations.every(({ records }) => records.size === 0);
  }

  get generations(): ExportHead["generations"] {
    return this.#generations.map(({ id, openedMs, closedMs }) => ({ id, openedMs, closedMs }));
  }

  plan(runMs: number) {
    return planGenerations(this.#generations, runMs, this.#retention);
  }

  /** How much is remembered. */
  keptAt(runMs: number): Kept["requestIds"] {
    return keptRequestIds(this.#generations, runMs, this.#retention);
  }

  find(key: string): Uint8Array | undefined {
    for (const { records } of this.#generations) {
      const record = records.get(key);
      if (record !== undefined) return record;
    }
    return undefined;
  }

  save(answers: ReadonlyMap<string, Uint8Array>, runMs: number): void {
    if (this.plan(runMs).rotate) {
      const closed = this.#generations.at(-1)!;
      closed.closedMs = runMs;
      this.#generations.push(emptyGeneration({ id: closed.id + 1, openedMs: runMs, closedMs: undefined }));
    }
    const open = this.#generations.at(-1)!;
    for (const [key, record] of answers) put(open, key, record);
  }

  /** Forget so many of the oldest generations. */
  forget(count: number): void {
    this.#generations.splice(0, count);
  }

  /** See Copying.exportRequestIds. */
  page(cursor: string, limit: number): RequestIdPage {
    const requestIds = this.#generations
      .flatMap(({ id, records }) => [...records].map(([key, record]) => ({ generation: id, key, record })))
      .filter(({ key }) => key > cursor)
      .sort((a, b) => (a.key < b.key ? -1 : 1))
      .slice(0, limit);
    return { requestIds, cursor: requestIds.at(-1)?.key ?? cursor };
  }

  /** Have these generations, without ids, and no others. */
  begin(generations: ExportHead["generations"]): void {
    this.#generations = generations.map(emptyGeneration);
  }

  import(requestIds: readonly StoredRequestId[]): void {
    for (const { generation, key, record } of requestIds) {
      put(this.#generations.find(({ id }) => id === generation)!, key, record);
    }
  }
}

interface RequestIds extends Generation {
  closedMs: number | undefined;
  bytes: number;
  readonly records: Map<string, Uint8Array>;
}

function emptyGeneration(generation: Omit<Generation, "bytes">): RequestIds {
  return { ...generation, bytes: 0, records: new Map() };
}

function put(generation: RequestIds, key: string, record: Uint8Array): void {
  generation.records.set(key, record);
  generation.bytes += key.length + record.length;
}
