/** The thread that has the history of a data file. */
import type { HistoryQuery } from "../../../service/store-history.ts";
import type { HistoryPart } from "../../../service/store-history-copying.ts";
import type { LoggedCounter } from "../../../service/store-log.ts";
import { type CrossingLogPage, unpackLogPage } from "../crossing.ts";
import type { WalkRequest } from "../read/read-worker.ts";
import { startFailure } from "../start-failure.ts";
import { serveThread } from "../thread.ts";
import { HistoryConnection, type HistoryData, type HistoryProgress } from "./connection.ts";
import { historyPathOf } from "./path.ts";

/** A page of the change log to be taken in. */
export interface TakeRequest {
  readonly page: CrossingLogPage;
  readonly met: ReadonlyMap<number, LoggedCounter | undefined>;
  readonly monotonic: number;
}

/** Work beside, and whether the wall clock may be believed. */
export interface TidyRequest {
  readonly now: number | undefined;
  readonly monotonic: number;
}

/** A query, and the wall clock. */
export interface QueryRequest {
  readonly asked: HistoryQuery;
  readonly now: number;
}

/** A past value, and the wall clock. */
export interface AsOfRequest {
  readonly name: string;
  readonly time: number;
  readonly now: number;
}

/** A page of changes. */
export interface ChangesRequest {
  readonly name: string;
  readonly before: string | undefined;
  readonly limit: number;
}

/** What was read, and of how much. */
export interface Reading<Answer> {
  readonly answer: Answer;
  readonly progress: HistoryProgress;
}

serveThread<HistoryData>((data) => {
  const connection = opened(data);
  const progressed = () => connection.progress;
  const reading = <Answer>(answer: Answer): Reading<Answer> => ({ answer, progress: progressed() });
  return {
    opened: { progress: connection.progress, warnings: connection.warnings },
    handlers: {
      alive: () => undefined,
      begin: () => connection.begin(),
      take: ({ page, met, monotonic }: TakeRequest) => {
        connection.take(unpackLogPage(page), met, monotonic);
        return progressed();
      },
      save: (monotonic: number) => {
        connection.save(monotonic);
        return progressed();
      },
      seal: () => {
        connection.seal();
        return progressed();
      },
      maintain: ({ now, monotonic }: TidyRequest) => ({
        more: connection.maintain(now, monotonic),
        progress: progressed(),
      }),
      query: ({ asked, now }: QueryRequest) => reading(connection.query(asked, now)),
      asOf: ({ name, time, now }: AsOfRequest) => reading(connection.asOf(name, time, now)),
      changes: ({ name, before, limit }: ChangesRequest) => reading(connection.changes(name, before, limit)),
      reach: () => connection.reach(),
      rows: ({ cursor, limit }: WalkRequest) => connection.pageOfRows(cursor, limit),
      import: (part: HistoryPart) => connection.import(part),
      close: (sealed: boolean) => (sealed ? connection.close() : connection.abandon()),
    },
  };
});

function opened(data: HistoryData): HistoryConnection {
  try {
    return new HistoryConnection(data);
  } catch (error) {
    throw startFailure(historyPathOf(data.path), error);
  }
}
