import { setImmediate as turn } from "node:timers/promises";
import type { Database } from "better-sqlite3";
import { TallyError } from "../../../core/errors.ts";
import type { Verification, VerifyProgress } from "../../../service/store-findings.ts";
import { unusable } from "../../shared/unusable.ts";
import type { Serving } from "../file/beside.ts";
import { statOf } from "../file/whereabouts.ts";
import { readTogether } from "../history/together.ts";
import { openReadOnly } from "../read/reading.ts";
import { isCorrupt } from "../rows/damage.ts";
import { assertOurs, SCHEMA_VERSION, versionOf } from "../schema/schema.ts";
import { LogWalk, ValueWalk } from "./change-log.ts";
import { CounterWalk, LeftoverWalk } from "./counters.ts";
import { LabelWalk, NameWalk } from "./entries.ts";
import { Findings } from "./findings.ts";
import { HeadWalk } from "./heads.ts";
import { HistoryWalk } from "./history.ts";
import { HistoryCompare, HistoryNames, HistorySums } from "./history-sums.ts";
import { RequestIdWalk } from "./request-ids.ts";
import { LoggedSums } from "./sums.ts";
import type { Looked, LookedHistory, Walk } from "./walk.ts";

/** How it is done. */
export interface VerifyOptions {
  /** The server that has the file meanwhile; undefined where nobody has. */
  readonly serving: Serving | undefined;
  readonly onProgress: (progress: VerifyProgress) => void;
  /** Ends it between two slices. */
  readonly signal: AbortSignal;
}

/**
 * Look at everything that a data file keeps, and at the history beside it. Only reads, in slices of some milliseconds, and
 * between two of them turns to what else there is to do.
 *
 * Rows, and what leads to them, each slice sees as of another moment, so that a server's WAL can be begun anew; the change
 * log, and what is compared with it, are seen as of one.
 *
 * @param path  the real path of the data file
 * @throws TallyError STORE_UNAVAILABLE when it is not to be looked at, or the WAL has grown too large; CALL_CANCELLED
 */
export async function verifyFile(path: string, options: VerifyOptions): Promise<Omit<Verification, "store">> {
  const db = openReadOnly(path, PAGE_CACHE_KIB);
  try {
    assertOurs(db, path);
    assertThisSchema(db, path);
    return await new Verifying(db, path, options).run();
  } finally {
    db.close();
  }
}

const PAGE_CACHE_KIB = 16_384;

function assertThisSchema(db: Database, path: string): void {
  const version = versionOf(db);
  if (version === SCHEMA_VERSION) return;
  throw unusable(
    `${path} ${version === 0 ? "has no schema yet" : `is of schema ${version}`}, and this Tally verifies schema ${SCHEMA_VERSION}; ` +
      "bring it there with `tally migrate up`, or use the Tally that serves it.",
  );
}

class Verifying {
  readonly #db: Database;
  readonly #path: string;
  readonly #options: VerifyOptions;
  readonly #findings = new Findings();

  constructor(db: Database, path: string, options: VerifyOptions) {
    this.#db = db;
    this.#path = path;
    this.#options = options;
  }

  async run(): Promise<Omit<Verification, "store">> {
    const findings = this.#findings;
    const looked = { db: this.#db, findings };
    // Of a file that is served it would be one long read: that each b-tree is read to its end has to do there.
    if (this.#options.serving === undefined) checkPages(looked, "data file");
    const counters = new CounterWalk(looked);
    const requestIds = new RequestIdWalk(looked);
    const walks = [new HeadWalk(looked), counters, new LeftoverWalk(looked), new NameWalk(looked)];
    const sliced = this.#db.transaction((walk: Walk) => walk.step());
    for (const walk of [...walks, new LabelWalk(looked), requestIds])
      await this.#goThrough(walk, () => sliced(walk));

    const together = readTogether(this.#path, this.#db, this.#options.serving !== undefined);
    try {
      const { history, whyNot } = together;
      if (whyNot !== undefined) findings.add("HISTORY_FOREIGN", "history", whyNot, "start");
      const compared = await this.#compare(looked, history && { ...history, findings });
      const { list, more } = findings;
      return {
        served: this.#options.serving !== undefined,
        counters: counters.rows,
        requestIds: requestIds.rows,
        ...compared,
        findings: list,
        more,
      };
    } finally {
      together.end();
    }
  }

  /** What is looked at as of one moment. */
  async #compare(
    looked: Looked,
    history: LookedHistory | undefined,
  ): Promise<Pick<Verification, "commits" | "sum" | "historyRows">> {
    const logged = new LoggedSums(this.#db);
    if (history !== undefined && this.#options.serving === undefined) checkPages(history, "history");
    const sums = history && new HistorySums(history, logged.ids.length);
    const log = new LogWalk(looked, logged, sums === undefined ? [] : [sums]);
    const values = new ValueWalk(looked, logged);
    const names = history && new HistoryNames(looked, history, logged, sums!);
    const rows = history && new HistoryWalk(history, sums!);
    const compare = history && new HistoryCompare(looked, logged, sums!);
    const grown = this.#walBound();
    for (const walk of [log, values, names, rows, compare])
      if (walk !== undefined)
        await this.#goThrough(walk, () => {
          grown();
          return walk.step();
        });
    return { commits: log.rows, sum: values.sum, historyRows: rows?.rows };
  }

  /** Go through one part; where SQLite finds it damaged, it ends there. */
  async #goThrough(walk: Walk, step: () => boolean): Promise<void> {
    const { signal, onProgress, serving } = this.#options;
    for (let more = true; more; ) {
      if (signal.aborted) throw new TallyError("CALL_CANCELLED", "it was stopped");
      serving?.assertStill();
      try {
        more = step();
      } catch (error) {
        if (!isCorrupt(error)) throw error;
        const about = "SQLite cannot read them to their end";
        const code = walk.part === "history" ? "HISTORY_DAMAGED" : "PAGE_DAMAGED";
        this.#findings.add(code, walk.part, about, "restore");
        more = false;
      }
      onProgress({ part: walk.part, rows: walk.rows });
      await turn();
    }
  }

  /** While the file is read as of one moment its WAL cannot be begun anew. @returns  what throws when that is too much */
  #walBound(): () => void {
    const wal = `${this.#path}-wal`;
    const before = statOf(wal)?.size ?? 0n;
    const most = before > WAL_BYTES_MAX ? before : WAL_BYTES_MAX;
    return () => {
      if (this.#options.serving === undefined || (statOf(wal)?.size ?? 0n) <= most) return;
      throw unusable(
        `So much is counted that ${wal} has grown to 2 GiB meanwhile, and this would take longer still; verify a backup of it instead.`,
      );
    };
  }
}

const WAL_BYTES_MAX = 2n ** 31n;

/** What SQLite itself says of a file that nobody else has, its lists of free pages included. */
function checkPages({ db, findings }: Looked, file: "data file" | "history"): void {
  const code = file === "history" ? "HISTORY_DAMAGED" : "PAGE_DAMAGED";
  let lines: { integrity_check: string }[];
  try {
    lines = db.pragma(`integrity_check(${PAGES_TOLD})`) as typeof lines;
  } catch (error) {
    if (!isCorrupt(error)) throw error;
    lines = [{ integrity_check: "its schema cannot be read" }];
  }
  for (const [i, { integrity_check: line }] of lines.entries())
    if (line !== "ok") findings.add(code, `${file}, ${i + 1}`, line, "restore");
}

const PAGES_TOLD = 100;
