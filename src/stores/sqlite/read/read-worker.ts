/** The thread that reads, on a connection that cannot write, in short transactions. */
import { CORRUPT } from "../../../core/batch.ts";
import type { FullCounter } from "../../../core/counter.ts";
import { type AsOf, present } from "../../../core/present.ts";
import type { Selection } from "../../../core/selection.ts";
import { ZoneCalendar } from "../../shared/calendar.ts";
import { toMark } from "../../shared/log-mark.ts";
import { type CrossingLogPage, packLogPage } from "../crossing.ts";
import { CatalogueReader } from "../rows/catalogue-rows.ts";
import { headReader } from "../rows/head.ts";
import { KeyUseReader } from "../rows/key-uses.ts";
import { RowReader } from "../rows/row-reader.ts";
import { toFullCounter } from "../rows/rows.ts";
import { serveThread } from "../thread.ts";
import { ChangeLogReader } from "./change-log-reader.ts";
import { CounterCount } from "./counting.ts";
import { RowLooker } from "./looking.ts";
import { PageReader } from "./pages.ts";
import { asOfOneMoment, openReadOnly } from "./reading.ts";
import { RequestIdReader } from "./request-id-reader.ts";

/** A symbol does not cross threads. */
export type Read = FullCounter | undefined | "corrupt";

/** A page of something that is walked, from a cursor on. */
export interface WalkRequest {
  readonly cursor: string;
  readonly limit: number;
}

/** Counters by their names. */
export interface GetRequest extends AsOf {
  readonly names: readonly string[];
}

/** A page of a list, from a name on. */
export interface ListRequest extends AsOf {
  readonly selection: Selection;
  readonly from: string;
  readonly limit: number;
  readonly marked: boolean;
}

serveThread<{ path: string }>(({ path }) => {
  const db = openReadOnly(path, 16_384);
  const rows = new RowReader(db);
  const head = headReader(db);
  const calendar = new ZoneCalendar(() => {}); // The thread that writes tells of a zone that is not known.
  const pages = new PageReader(db, rows, calendar);
  const log = new ChangeLogReader(db, rows);
  const requestIds = new RequestIdReader(db);
  const catalogue = new CatalogueReader(db);
  const keyUses = new KeyUseReader(db);
  const looker = new RowLooker(db, rows);
  const count = new CounterCount(db);
  return {
    opened: undefined,
    handlers: {
      alive: () => undefined,
      get: asOfOneMoment(db, ({ names, ...asOf }: GetRequest): Read[] =>
        names.map((name) => {
          const raw = rows.find(name);
          return raw === CORRUPT ? "corrupt" : raw && present(toFullCounter(raw), asOf, calendar);
        }),
      ),
      list: asOfOneMoment(db, ({ selection, from, limit, marked, ...asOf }: ListRequest) => ({
        ...pages.read(selection, from, limit, asOf),
        ...(marked && { mark: toMark({ position: head().log_end, unplaced: [] }) }),
      })),
      look: asOfOneMoment(db, ({ cursor, limit }: WalkRequest) => looker.page(cursor, limit)),
      changesSince: asOfOneMoment(
        db,
        ({ cursor, limit }: WalkRequest) => log.since(cursor, limit),
        "change_log",
      ),
      readLog: asOfOneMoment(
        db,
        ({ cursor, limit }: WalkRequest) => packLogPage(log.read(cursor, limit)),
        "change_log",
      ),
      logEnd: asOfOneMoment(db, () => Number(head().log_end), "change_log"),
      loggedCounters: asOfOneMoment(db, (ids: BigInt64Array) => log.counters(ids), "change_log"),
      exportRequestIds: asOfOneMoment(
        db,
        ({ cursor, limit }: WalkRequest) => requestIds.page(cursor, limit),
        "request_id",
      ),
      readCatalogue: asOfOneMoment(db, (since: number) => catalogue.read(since), "catalogue"),
      readKeyUses: asOfOneMoment(db, (keyIds: readonly string[]) => keyUses.read(keyIds), "catalogue"),
      countCounters: asOfOneMoment(db, () => count.about()),
      close: () => void db.close(),
    },
    transfer: (result) => (isLogPage(result) ? [result.buffer as ArrayBuffer] : []),
  };
});

function isLogPage(result: unknown): result is CrossingLogPage {
  return typeof result === "object" && result !== null && "buffer" in result;
}
