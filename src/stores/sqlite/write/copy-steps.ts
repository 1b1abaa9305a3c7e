import { inEpoch } from "../../../core/epoch.ts";
import type { ExportHead, ImportPart, ImportState } from "../../../service/store-copying.ts";
import { readCopying, writeCopying } from "../rows/copying-row.ts";
import type { BatchRows } from "./batch-rows.ts";
import type { CatalogueWrites } from "./catalogue.ts";
import type { ChangeLog } from "./change-log.ts";
import { CopyTarget } from "./copy-target.ts";
import type { HistoryBinding } from "./history-binding.ts";
import type { OpenedFile } from "./opening.ts";
import type { RequestIds } from "./request-ids.ts";
import type { Moment, RunningTime } from "./running-time.ts";

/** What the connection that writes lends to a copy. */
interface CopyParts {
  readonly file: OpenedFile;
  readonly rows: BatchRows;
  readonly requestIds: RequestIds;
  readonly log: ChangeLog;
  readonly time: RunningTime;
  readonly catalogue: CatalogueWrites;
  readonly history: HistoryBinding;
  /** Do something in one durable transaction. */
  write<Result>(moment: Moment, step: () => Result): Result;
}

/** What Copying means on SQLite: each step is a transaction of its own, beside the commits, which know nothing of it. */
export class CopySteps {
  readonly #parts: CopyParts;
  readonly #target: CopyTarget;

  constructor(parts: CopyParts) {
    this.#parts = parts;
    this.#target = new CopyTarget(parts);
  }

  /**
   * See Copying.exportHead.
   *
   * @param newId  what the store is to be known by from now on, if it has no id yet
   */
  exportHead(moment: Moment, newId: string): ExportHead {
    const { file, requestIds, log, time, catalogue, write } = this.#parts;
    const { db, head } = file;
    const { generations } = requestIds;
    return write(moment, () => {
      const storeId = readCopying(db).store_id ?? newId;
      writeCopying(db, { store_id: storeId });
      const kept = `${head.row.starts}.${log.state}.${generations[0]!.id}`;
      const state = inEpoch(`${kept}.${catalogue.state.version}`, catalogue.epoch);
      return { storeId, state, runMs: time.at(moment), generations };
    });
  }

  importState(): ImportState {
    return this.#target.state;
  }

  beginImport(head: ExportHead, moment: Moment): void {
    const { time, write } = this.#parts;
    write(moment, () => {
      this.#target.begin(head);
      this.#persist(head.runMs, moment);
    });
    time.goOnFrom(head.runMs, moment);
    this.#target.settled();
  }

  import(part: ImportPart, moment: Moment): void {
    this.#parts.write(moment, () => {
      this.#target.import(part);
      this.#parts.requestIds.persist();
    });
    this.#target.settled();
  }

  /** No change comes in any more. */
  endLog(moment: Moment): void {
    this.#parts.write(moment, () => this.#target.endLog());
    this.#target.settled();
  }

  endImport(moment: Moment): void {
    this.#parts.write(moment, () => {
      this.#target.end();
      this.#persist(this.#parts.time.at(moment), moment);
    });
    this.#target.settled();
  }

  /** Inside the last transaction before the file is closed. */
  sealing(): void {
    this.#target.sealing();
  }

  #persist(runMs: number, { now }: Moment): void {
    this.#parts.time.persist(runMs, now);
    this.#parts.requestIds.persist();
  }
}
