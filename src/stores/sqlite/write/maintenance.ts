import { decideTidying, type Save } from "../../../core/batch.ts";
import type { PolicySet } from "../../../core/policies.ts";
import { isSettled } from "../../../core/settling.ts";
import type { Calendar } from "../../../core/window.ts";
import { ClockDoubt } from "../../shared/clock-doubt.ts";
import { ForgottenEarly } from "../../shared/forgotten-early.ts";
import { Missed } from "../rows/counts.ts";
import { isCorrupt } from "../rows/damage.ts";
import type { PoliciesInFile } from "../rows/policies.ts";
import { type BatchRows, idsOf, type LoadedRows } from "./batch-rows.ts";
import type { ChangeLog } from "./change-log.ts";
import { type FoundFacts, FoundRows } from "./found-rows.ts";
import type { HistoryBinding } from "./history-binding.ts";
import type { OpenedFile } from "./opening.ts";
import type { RequestIds } from "./request-ids.ts";
import type { Moment, RunningTime } from "./running-time.ts";
import { Sweeping } from "./sweeping.ts";
import { type Chore, Tending } from "./tending.ts";
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
  readonly policies: PoliciesInFile;
  readonly time: RunningTime;
  readonly calendar: Calendar;
  /** What is to be told with the next slice. */
  readonly warnings: string[];
  /** Write what is only kept in memory. */
  persist(moment: Moment): void;
  saveHead(): void;
  /** Have a step durable, in a transaction of its own. */
  write(moment: Moment, step: () => void): void;
  undo(logEnd: ChangeLog["end"], runMs: number): void;
}

/** What is done beside the commits, a slice at a time: see Store.maintain. */
export class Maintenance {
  readonly #parts: Parts;
  readonly #forgottenEarly = new ForgottenEarly();
  readonly #found: FoundRows;
  readonly #tending: Tending;
  readonly #tidying: Tidying;
  readonly #sweeping: Sweeping;
  readonly #clockDoubt: ClockDoubt;
  /** Whether the wall clock was in doubt when it was last looked at. */
  doubted = false;

  /** @param moment  of the start */
  constructor(parts: Parts, { now, monotonic }: Moment) {
    this.#parts = parts;
    const told = (message: string) => void parts.warnings.push(message);
    this.#found = new FoundRows(parts.file.db, parts.rows);
    this.#tending = new Tending(told);
    this.#tidying = new Tidying(parts.file.db);
    this.#sweeping = new Sweeping(parts.file.db, told);
    this.#clockDoubt = new ClockDoubt(told);
    this.#clockDoubt.start(now, monotonic, parts.time.lastWallMs);
  }

  /** A commit has left counters that do not have all of their policy. In the caller's transaction. */
  held(save: Pick<Save, "held" | "names">, { monotonic }: Moment): void {
    this.#sweeping.held(save, this.#parts.policies.now, monotonic);
  }

  /** Returns whether there is more to do at once. @param commits  how many there were so far: while calls come, less is done */
  slice(moment: Moment, commits: number, warn: (message: string) => void): boolean {
    const more = this.#tend(moment, warn);
    // After the rest, and apart: what somebody has against a counter's roll stands in the way of nothing else.
    const doubted = this.doubts(moment);
    for (const warning of this.#parts.warnings.splice(0)) warn(warning);
    const tidies = !doubted && this.#tidy(moment, commits);
    return (!doubted && this.#sweep(moment, commits)) || tidies || more;
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
    /** Whether there is more to do at once, of those that were not passed over. */
    let more = false;
    const chores: Chore[] = [
      {
        of: "the request ids",
        do: () => {
          const forgot = requestIds.forget() > 0;
          more ||= forgot;
          return forgot;
        },
      },
      {
        of: "request ids that were forgotten",
        do: () => {
          const emptied = requestIds.empty();
          more ||= emptied;
          return emptied;
        },
      },
      {
        of: "the oldest part of the change log",
        do: () => {
          if (!log.tooLarge(history.holdsFrom)) return false;
          log.drop(history.holdsFrom);
          history.note();
          more ||= log.tooLarge(history.holdsFrom);
          return true;
        },
      },
      {
        of: "counts of busy counters",
        do: () => {
          const folds = counts.foldDue;
          if (folds) counts.fold();
          more ||= counts.foldDue;
          return folds || counts.foldQuiet(moment.now);
        },
      },
      {
        of: "what is kept of time and request ids",
        do: () => {
          const due = time.persistDue(runMs);
          if (due) this.#parts.persist(moment);
          return due;
        },
      },
    ];
    try {
      this.#tending.do(chores, moment.monotonic, (work) => {
        try {
          more = false;
          file.transaction.begin();
          if (work()) {
            this.#parts.saveHead();
            file.transaction.commit();
          } else file.transaction.rollback();
        } catch (error) {
          this.#parts.undo(logEnd, runMs);
          throw error;
        }
      });
    } catch (error) {
      throw asTallyError(error);
    }
    requestIds.plan(runMs);
    return more;
  }

  /** Write down what time has done to some counters. Returns whether there are more to look at. */
  #tidy(moment: Moment, commits: number): boolean {
    const due = this.#read("what leads to counters that are due", () => this.#tidying.next(moment, commits));
    if (due === undefined || due.length === 0) return false;
    const written = this.#writeDown(moment, () => this.#found.due(due), true);
    return written === undefined ? this.#tidying.refused() : this.#tidying.done();
  }

  /** Settle some counters by their policies. Returns whether there are more to look at. */
  #sweep(moment: Moment, commits: number): boolean {
    const { monotonic } = moment;
    const policies = this.#parts.policies.now;
    const names = this.#read("the names of counters", () =>
      this.#sweeping.next(policies, monotonic, commits),
    );
    if (names === undefined) return false;
    const settled =
      names.length === 0 ? NOTHING : this.#writeDown(moment, () => this.#found.named(names), false);
    if (settled === undefined) this.#sweeping.refused(monotonic);
    else this.#sweeping.done(isHeld(settled, policies), monotonic);
    if (!this.#sweeping.unsaved) return true;
    try {
      this.#parts.write(moment, () => this.#sweeping.save());
      this.#sweeping.saved();
    } catch (error) {
      const { code } = error as { code?: string };
      if (code !== "STORE_UNAVAILABLE" || this.#sweeping.unsaved) throw error;
      // It met damage, has said so, and is not kept any more.
    }
    return true;
  }

  /**
   * Write down what time and policies have made of some counters.
   *
   * @param mends  whether loading may have written something
   * @returns      what was written; undefined when the database is against it, or damage is met, and nothing was
   */
  #writeDown(moment: Moment, load: () => LoadedRows<FoundFacts>, mends: boolean): Written | undefined {
    const { file, rows, log, time, calendar, policies } = this.#parts;
    const { now } = moment;
    const logEnd = log.end;
    const context = { now, calendar, policies: policies.now, uidSeed: NO_UID };
    try {
      file.transaction.begin();
      const loaded = load();
      const save = decideTidying(loaded.facts, context);
      if (save.changed.length === 0 && !mends) {
        file.transaction.rollback(); // Counters beyond a bound are looked at again and again.
        return { counters: loaded.facts.counters, save };
      }
      const made = rows.write(save, loaded);
      if (save.changes.count > 0) log.append(save.changes, idsOf(save, loaded, made), now);
      this.#parts.saveHead();
      file.transaction.commit();
      rows.remember(save, loaded, made);
      time.changed();
      file.checkpoints.committed(now);
      return { counters: loaded.facts.counters, save };
    } catch (error) {
      this.#parts.undo(logEnd, time.at(moment));
      if (objectionIn(error) === undefined && !isCorrupt(error)) throw asTallyError(error);
      // A row that is missed may be one that a trigger keeps: who counts on it is told.
      if (isCorrupt(error) && !(error instanceof Missed))
        this.#tending.met("counters that are due, or that follow a policy");
      return undefined;
    }
  }

  /** What is to be looked at next; undefined where it cannot be read for damage. */
  #read<Found>(of: string, from: () => Found): Found | undefined {
    try {
      return from();
    } catch (error) {
      if (!isCorrupt(error)) throw asTallyError(error);
      this.#tending.met(of);
      return undefined;
    }
  }
}

/** What was written of some counters. */
interface Written {
  readonly counters: FoundFacts["counters"];
  readonly save: Pick<Save, "names" | "fixed" | "deleted">;
}

const NOTHING: Written = { counters: [], save: { names: [], fixed: new Map(), deleted: new Map() } };

/** Whether one of them has not all that its policy says. */
function isHeld({ counters, save }: Written, policies: PolicySet): boolean {
  return counters.some((counter, i) => {
    if (typeof counter !== "object" || save.deleted.has(i)) return false;
    return !isSettled(save.fixed.get(i) ?? counter, save.names[i]!, policies);
  });
}

/** Tidying makes no counters. */
const NO_UID = "00000000-0000-7000-8000-000000000000";
