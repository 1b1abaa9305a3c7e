import type { Database } from "better-sqlite3";
import { TallyError } from "../../../core/errors.ts";
import { statOf } from "../file/whereabouts.ts";
import { openReadOnly } from "../read/reading.ts";
import type { LogFacts } from "./belonging.ts";
import { foundIn, lookAt } from "./file.ts";
import type { StoredHead } from "./head.ts";
import { logFactsOf } from "./log-facts.ts";
import { historyPathOf } from "./path.ts";

/** A data file and the history beside it, each in a read transaction. */
export interface Together {
  /** The history, open; undefined where there is none, or it does not belong to the data file. */
  readonly history: { readonly db: Database; readonly head: StoredHead } | undefined;
  /** Why the one that stands there does not, as what follows "because". */
  readonly whyNot: string | undefined;
  /** End both transactions, and close the history. */
  end(): void;
}

/**
 * Begin to read both, each as of one moment: the history first, so that it is never ahead, and lacks nothing that the log does
 * not have, unless the log went on without it.
 *
 * @param path    the real path of the data file
 * @param data    a connection to it, without a transaction
 * @param served  whether a server has both; otherwise nobody does
 */
export function readTogether(path: string, data: Database, served: boolean): Together {
  const historyPath = historyPathOf(path);
  const alone = (whyNot?: string): Together => {
    if (!data.inTransaction) begin(data);
    return { history: undefined, whyNot, end: () => void data.exec("COMMIT") };
  };
  if ((statOf(historyPath)?.size ?? 0n) === 0n) return alone();
  // Whether its WAL belongs to it, the server of one that is served has looked.
  const before = served ? undefined : judged(data, (log) => lookAt(historyPath, log));
  if (typeof before === "string") return alone(before);
  const db = openReadOnly(historyPath, PAGE_CACHE_KIB);
  try {
    begin(db);
    begin(data);
    const head = judged(data, (log) => foundIn(db, historyPath, log, () => true));
    if (typeof head === "object") {
      const end = () => {
        db.close();
        data.exec("COMMIT");
      };
      return { history: { db, head }, whyNot: undefined, end };
    }
    db.close();
    return alone(head);
  } catch (error) {
    db.close();
    const { code = "" } = error as { code?: string };
    if (!/^SQLITE_(CORRUPT|NOTADB)/.test(code)) throw error;
    return alone(`it is damaged (${code})`);
  }
}

const PAGE_CACHE_KIB = 16_384;

/** A transaction sees what there is when it first reads. */
function begin(db: Database): void {
  db.exec("BEGIN");
  db.prepare("SELECT count(*) FROM sqlite_schema").get();
}

function judged(
  data: Database,
  judge: (log: LogFacts) => StoredHead | string | undefined,
): StoredHead | string | undefined {
  try {
    return judge(logFactsOf(data));
  } catch (error) {
    if (error instanceof TallyError) return "what the data file says of itself is damaged";
    throw error;
  }
}
