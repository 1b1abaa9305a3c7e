import type {
  Copying,
  ExportHead,
  ImportedCopy,
  ImportPart,
  ImportState,
  RequestIdPage,
  StoreOptions,
} from "../../service/store.ts";
import { assertTakesCopy, importStateOf } from "../shared/import-state.ts";
import type { ChangeLogInMemory } from "./change-log.ts";
import type { CountersInMemory } from "./counters.ts";
import type { RequestIdsInMemory } from "./request-ids.ts";

/** What the whole store is told by. */
export interface MemoryState {
  /** When the running time was 0, by the monotonic clock. */
  startedMs: number;
  /** How often anything was changed. */
  changes: number;
}

interface Parts {
  readonly counters: CountersInMemory;
  readonly log: ChangeLogInMemory;
  readonly requestIds: RequestIdsInMemory;
  readonly state: MemoryState;
}

/** Copies from memory and into it. */
export class MemoryCopying implements Copying {
  readonly #parts: Parts;
  readonly #options: StoreOptions;
  readonly #assertOpen: () => void;
  /** What the store is known by, once a copy asked. */
  #storeId: string | undefined;
  /** The latest copy into it, and where the log ended then: each commit moves that, so that none has to tell. */
  #copy: { readonly told: ImportedCopy; readonly logEnd: number } | undefined;

  /** @param assertOpen  throws when the store is closed */
  constructor(parts: Parts, options: StoreOptions, assertOpen: () => void) {
    this.#parts = parts;
    this.#options = options;
    this.#assertOpen = assertOpen;
  }

  async exportHead(): Promise<ExportHead> {
    this.#assertOpen();
    const { requestIds, state } = this.#parts;
    this.#storeId ??= this.#options.newUid();
    const runMs = this.#options.clock.monotonic() - state.startedMs;
    return { storeId: this.#storeId, state: `${state.changes}`, runMs, generations: requestIds.generations };
  }

  async exportRequestIds(cursor: string, limit: number): Promise<RequestIdPage> {
    this.#assertOpen();
    return this.#parts.requestIds.page(cursor, limit);
  }

  async importState(): Promise<ImportState> {
    this.#assertOpen();
    const { counters, log, requestIds } = this.#parts;
    const kept = { counters: counters.size > 0, changes: !log.empty, requestIds: !requestIds.empty };
    return importStateOf(kept, this.#copied);
  }

  async beginImport({ storeId, state, runMs, generations }: ExportHead): Promise<void> {
    assertTakesCopy(await this.importState());
    const { counters, log, requestIds } = this.#parts;
    counters.clear();
    log.clear();
    requestIds.begin(generations);
    this.#parts.state.startedMs = this.#options.clock.monotonic() - runMs;
    this.#noteCopy({ storeId, state, progress: "", ended: false });
  }

  async import(part: ImportPart): Promise<void> {
    this.#assertOpen();
    const { counters, log, requestIds } = this.#parts;
    for (const counter of part.counters ?? []) counters.set(counter);
    const told = this.#copied!;
    log.import(part);
    requestIds.import(part.requestIds ?? []);
    this.#noteCopy({ ...told, progress: part.progress });
  }

  async endImport(): Promise<void> {
    this.#assertOpen();
    this.#noteCopy({ ...this.#copied!, ended: true });
  }

  /** The latest copy, unless the store was served since. */
  get #copied(): ImportedCopy | undefined {
    return this.#copy?.logEnd === this.#parts.log.end ? this.#copy.told : undefined;
  }

  #noteCopy(told: ImportedCopy): void {
    this.#copy = { told, logEnd: this.#parts.log.end };
  }
}
