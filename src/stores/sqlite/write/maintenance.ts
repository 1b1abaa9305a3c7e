import { decideTidying } from "../../../core/batch.ts";
import type { Calendar } from "../../../core/window.ts";
import { ClockDoubt } from "../../shared/clock-doubt.ts";
import { ForgottenEarly } from "../../shared/forgotten-early.ts";
import { Missed } from "../rows/counts.ts";
import type { BatchRows } from "./batch-rows.ts";
import type { ChangeLog } from "./change-log.ts";
import type { HistoryBinding } from "./history-binding.ts";
import { idsOf } from "./loaded-rows.ts";
import type { OpenedFile } from "./opening.ts";
import type { RequestIds } from "./request-ids.ts";
import type { Moment, RunningTime } from "./running-time.ts";
import { Tidying } from "./tidying.ts";
import { asTallyError } from "./transaction.ts";
import { objectionIn } from "./violation.ts";

/** What the connection lends. */
interface Parts {
  readonly file: OpenedFile;
  readonly rows: BatchRows;
  readonly requestIds: RequestIds;
  readonly log: ChangeLog;
  readonly history: HistoryBinding;
  readonly time: RunningTime;
  readonly calendar: Calendar;
  /** What is to be told with the next slice. */
  readonly warnings: string[];
  /** Write what is only kept in memory. */
  persist(moment: Moment): void;
  saveHead(): void;
  undo(logEnd: ChangeLog["end"], runMs: number): void;
}

/** What is done beside the commits, a slice at a time: see Store.maintain. */
export class Maintenance {
  readonly #parts: Parts;
  readonly #forgottenEarly = new ForgottenEarly();
  readonly #tidying: Tidying;
  readonly #clockDoubt: ClockDoubt;
  /** Whether the wall clock was in doubt when it was last looked at. */
  doubted = false;

  /** @param moment  of the start */
  constructor(parts: Parts, { now, monotonic }: Moment) {
    this.#parts = parts;
    this.#tidying = new Tidying(parts.file.db);
    this.#clockDoubt = new ClockDoubt((message) => void parts.warnings.push(message));
    this.#clockDoubt.start(now, monotonic, parts.time.lastWallMs);
  }

  /** Calls come. */
  committed(): void {
    this.#tidying.committed();
  }

  /** Returns whether there is more to do at once. */
  slice(moment: Moment, warn: (message: string) => void): boolean {
    const more = this.#tend(moment, warn);
    // After the rest, and apart: what somebody has against a counter's roll stands in the way of nothing else.
    const doubted = this.doubts(moment);
    for (const warning of this.#parts.warnings.splice(0)) warn(warning);
    return (!doubted && this.#tidy(moment)) || more;
  }

  /** Look at the wall clock: whether it is in doubt. */
  doubts({ now, monotonic }: Moment): boolean {
    this.doubted = this.#clockDoubt.look(now, monotonic);
    return this.doubted;
  }

  /** Request ids, the change log, counts that are busy no more, and what is only in memory. */
  #tend(moment: Moment, warn: (message: string) => void): boolean {
    const { file, rows, requestIds, log, history, time } = this.#parts;
    const runMs = time.at(moment);
    const { counts } = rows.writes;
    const early = requestIds.plan(runMs);
    this.#forgottenEarly.tell(early, warn);
    const logEnd = log.end;
    file.whereabouts.assertUnchanged();
    try {
      file.transaction.begin();
      const forgot = requestIds.forget() > 0;
      const emptied = requestIds.empty();
      const dropped = log.tooLarge(history.holdsFrom);
      if (dropped) {
        log.drop(history.holdsFrom);
        history.note();
      }
      const folds = counts.foldDue;
      if (folds) counts.fold();
      const folded = folds || counts.foldQuiet(moment.now);
      const due = time.persistDue(runMs);
      if (due) this.#parts.persist(moment);
      const wrote = forgot || emptied || dropped || folded || due;
      if (wrote) {
        this.#parts.saveHead();
        file.transaction.commit();
      } else file.transaction.rollback();
      if (forgot) requestIds.plan(runMs);
      return forgot || emptied || log.tooLarge(history.holdsFrom) || counts.foldDue;
    } catch (error) {
      this.#parts.undo(logEnd, runMs);
      throw asTallyError(error);
    }
  }

  /** Write down what time has done to some counters. Returns whether there are more to look at. */
  #tidy(moment: Moment): boolean {
    const { file, rows, log, time, calendar } = this.#parts;
    const { now } = moment;
    const logEnd = log.end;
    try {
      const due = this.#tidying.next(moment);
      if (due.length === 0) return false;
      file.transaction.begin();
      const loaded = rows.loadDue(due);
      const save = decideTidying(loaded.facts, { now, calendar, uidSeed: NO_UID });
      const made = rows.write(save, loaded);
      if (save.changes.count > 0) log.append(save.changes, idsOf(save, loaded, made), now);
      this.#parts.saveHead();
      file.transaction.commit();
      rows.remember(save, loaded, made);
      time.changed();
      file.checkpoints.committed();
    } catch (error) {
      this.#parts.undo(logEnd, time.at(moment));
      if (objectionIn(error) === undefined && !(error instanceof Missed)) throw asTallyError(error);
      return this.#tidying.refused();
    }
    return this.#tidying.done();
  }
}

/** Tidying makes no counters. */
const NO_UID = "00000000-0000-7000-8000-000000000000";
