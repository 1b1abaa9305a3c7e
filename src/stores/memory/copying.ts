import { inEpoch } from "../../core/epoch.ts";
import type { StoreOptions } from "../../service/store.ts";
import type {
  Copying,
  ExportHead,
  ImportedCopy,
  ImportPart,
  ImportState,
  RequestIdPage,
} from "../../service/store-copying.ts";
import { assertTakesCopy, importStateOf } from "../shared/import-state.ts";
import type { CatalogueInMemory } from "./catalogue.ts";
import type { ChangeLogInMemory } from "./change-log.ts";
import type { CountersInMemory } from "./counters.ts";
import type { HistoryInMemory } from "./history.ts";
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
  readonly catalogue: CatalogueInMemory;
  readonly history: HistoryInMemory | undefined;
  readonly state: MemoryState;
}

/** Copies from memory and into it. */
export class MemoryCopying implements Copying {
  readonly exportHistory: Copying["exportHistory"];
  readonly #parts: Parts;
  readonly #options: StoreOptions;
  readonly #assertOpen: () => void;
  /** What the store is known by, once a copy asked. */
  #storeId: string | undefined;
  /**
   * The latest copy into it, and where the log and the catalogue ended then: each commit and each write moves one of them,
   * so that none has to tell.
   */
  #copy: { readonly told: ImportedCopy; readonly end: string } | undefined;

  /** @param assertOpen  throws when the store is closed */
  constructor(parts: Parts, options: StoreOptions, assertOpen: () => void) {
    const { history } = parts;
    this.exportHistory = history && (async () => history.exported());
    this.#parts = parts;
    this.#options = options;
    this.#assertOpen = assertOpen;
  }

  async exportHead(): Promise<ExportHead> {
    this.#assertOpen();
    const { requestIds, state, catalogue } = this.#parts;
    this.#storeId ??= this.#options.newUid();
    const runMs = this.#options.clock.monotonic() - state.startedMs;
    const changed = inEpoch(`${state.changes}.${catalogue.version}`, catalogue.epoch);
    return { storeId: this.#storeId, state: changed, runMs, generations: requestIds.generations };
  }

  async exportRequestIds(cursor: string, limit: number): Promise<RequestIdPage> {
    this.#assertOpen();
    return this.#parts.requestIds.page(cursor, limit);
  }

  async importState(): Promise<ImportState> {
    this.#assertOpen();
    const { counters, log, requestIds, catalogue, history } = this.#parts;
    const kept = {
      ...{ counters: counters.size > 0, changes: !log.empty, requestIds: !requestIds.empty },
      ...{ catalogue: catalogue.version > 0, history: history?.isEmpty === false },
    };
    return importStateOf(kept, this.#copied);
  }

  async beginImport({ storeId, state, runMs, generations }: ExportHead): Promise<void> {
    assertTakesCopy(await this.importState());
    const { counters, log, requestIds, catalogue, history } = this.#parts;
    history?.clear();
    catalogue.clear();
    counters.clear();
    log.clear();
    requestIds.begin(generations);
    this.#parts.state.startedMs = this.#options.clock.monotonic() - runMs;
    this.#noteCopy({ storeId, state, progress: "", ended: false });
  }

  async import(part: ImportPart): Promise<void> {
    this.#assertOpen();
    const { counters, log, requestIds, catalogue, history } = this.#parts;
    const told = this.#copied!; // Before what moves their ends.
    catalogue.import(part.catalogue ?? []);
    if (part.keyUses !== undefined) catalogue.keyUses.take(part.keyUses);
    for (const counter of part.counters ?? []) counters.set(counter);
    log.import(part);
    requestIds.import(part.requestIds ?? []);
    if (part.history !== undefined) history?.import(part.history);
    this.#noteCopy({ ...told, progress: part.progress });
  }

  async endImport(): Promise<void> {
    this.#assertOpen();
    this.#noteCopy({ ...this.#copied!, ended: true });
  }

  /** The latest copy, unless the store was served since. */
  get #copied(): ImportedCopy | undefined {
    return this.#copy?.end === this.#end ? this.#copy.told : undefined;
  }

  #noteCopy(told: ImportedCopy): void {
    this.#copy = { told, end: this.#end };
  }

  get #end(): string {
    const { log, catalogue } = this.#parts;
    return `${log.end}.${catalogue.version}`;
  }
}
