import type { Clock } from "../../core/clock.ts";
import { TallyError } from "../../core/errors.ts";
import type {
  History,
  HistoryAnswer,
  HistoryIntake,
  HistoryOptions,
  HistoryQuery,
  HistoryRefusal,
  NamedChanges,
  PastValue,
} from "../../service/store-history.ts";
import type { HistoryExport, HistoryPart } from "../../service/store-history-copying.ts";
import { Arrival } from "../shared/history/arrival.ts";
import { importRows, keyOf, placeOf, rowPage } from "../shared/history/copying.ts";
import { Holding } from "../shared/history/holding.ts";
import { HistoryTaking } from "../shared/history/intake.ts";
import { asOf, namedChanges, query } from "../shared/history/reading.ts";
import { EndedWalk, tidy } from "../shared/history/tidying.ts";
import { parseCursor, UID } from "../shared/log-cursor.ts";
import type { ChangeLogInMemory } from "./change-log.ts";
import { HistoryRowsInMemory } from "./history-rows.ts";

/** History in memory: the reference that the other stores are compared with. Nothing survives the process. */
export class HistoryInMemory implements History {
  readonly rows = new HistoryRowsInMemory();
  readonly #taking = new HistoryTaking(this.rows);
  readonly #ended = new EndedWalk((numbers) => this.#taking.forget(numbers));
  readonly #arrival = new Arrival(() => this.#position);
  readonly #options: HistoryOptions;
  readonly #clock: Clock;
  readonly #log: Pick<ChangeLogInMemory, "end">;
  readonly #assertOpen: () => void;
  readonly #holding: Holding;

  constructor(
    options: HistoryOptions,
    clock: Clock,
    log: Pick<ChangeLogInMemory, "end">,
    assertOpen: () => void,
  ) {
    this.#options = { ...options, bytesMax: Math.min(options.bytesMax, BYTES_MAX) };
    this.#clock = clock;
    this.#log = log;
    this.#assertOpen = assertOpen;
    this.#holding = new Holding(clock.monotonic());
  }

  async query(asked: HistoryQuery, signal?: AbortSignal): Promise<HistoryAnswer | HistoryRefusal> {
    const completeUntil = await this.#arrive(signal);
    const answer = query(this.rows, asked, this.#options, this.#clock.now());
    return "refused" in answer ? answer : { ...answer, completeUntil };
  }

  async asOf(name: string, time: number): Promise<PastValue | HistoryRefusal | undefined> {
    const completeUntil = await this.#arrive();
    const value = asOf(this.rows, name, time, this.#options, this.#clock.now());
    return value === undefined || "refused" in value ? value : { ...value, completeUntil };
  }

  async changes(name: string, before: string | undefined, limit: number): Promise<NamedChanges> {
    const completeUntil = await this.#arrive();
    return { ...namedChanges(this.rows, name, before, limit), completeUntil };
  }

  readonly intake: HistoryIntake = {
    begin: async () => {
      this.#assertOpen();
      return this.#taking.begin();
    },
    take: async (page, met) => {
      this.#assertOpen();
      this.#taking.take(page, met);
      this.#taking.flush();
      this.#holding.moved(this.#clock.monotonic());
      this.#arrival.moved();
      return true;
    },
    save: async () => true,
  };

  /** See Copying.exportHistory. */
  exported(): HistoryExport | undefined {
    if (this.rows.head().cursor === "") return undefined;
    return {
      intake: this.intake,
      reach: async () => {
        const { cursor, ...reach } = this.rows.head();
        return reach;
      },
      rows: async (cursor, limit) => {
        const { table, after } = placeOf(cursor);
        const found = Array.from(this.rows.all(table), (row) => ({ key: keyOf(row), row, from: 0 }));
        const behind = found.filter(({ key }) => inOrder(after, key) < 0);
        return rowPage(cursor, behind.sort((a, b) => inOrder(a.key, b.key)).slice(0, limit), limit);
      },
    };
  }

  /** Take in some of what another store's had; with the last of it, as far as the log has come. */
  import({ rows, reach }: HistoryPart): void {
    importRows(this.rows, rows);
    if (reach === undefined) return;
    this.rows.setHead({ ...reach, cursor: `${this.#log.end}` });
    this.rows.orderChanges();
  }

  get isEmpty(): boolean {
    return this.rows.all("counters").next().done === true;
  }

  /** Up to which position the log may drop its commits. */
  get droppable(): bigint {
    return this.#holding.droppable(this.#position, BigInt(this.#log.end), this.#clock.monotonic());
  }

  /** See `tidy`. */
  tidy(now: number | undefined): boolean {
    return tidy(this.rows, this.#options, now, this.#ended);
  }

  clear(): void {
    this.rows.clear();
  }

  get #position(): bigint {
    return parseCursor(this.rows.head().cursor, UID).position;
  }

  /** Wait for what the log has by now. Resolves with up to when all is there. */
  async #arrive(signal?: AbortSignal): Promise<number> {
    this.#assertOpen();
    const now = this.#clock.now();
    const arrived = await this.#arrival.at(BigInt(this.#log.end));
    if (signal?.aborted) throw new TallyError("CALL_CANCELLED", "nobody waits for the answer any more");
    return arrived ? now : this.rows.head().time;
  }
}

/** Below 0 where the one key comes before the other. */
function inOrder(one: readonly number[], other: readonly number[]): number {
  const i = one.findIndex((each, at) => each !== other[at]);
  return i === -1 ? 0 : one[i]! - other[i]!;
}

/** What a process can spare, however much room history has on a disk. */
const BYTES_MAX = 256 * 2 ** 20;
