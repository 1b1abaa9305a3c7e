import type { Metrics } from "./metrics.ts";

/** What a store keeps beside counters, and how much room it has for that. */
export interface Kept {
  readonly changeLog: {
    readonly bytes: number;
    readonly roomBytes: number;
    readonly commits: number;
    /** Of the oldest commit, in milliseconds since the Unix epoch; undefined: there is none. */
    readonly oldestMs: number | undefined;
  };
  readonly requestIds: {
    readonly bytes: number;
    readonly roomBytes: number;
    /** How long ago the oldest can have come, in milliseconds that the service ran. */
    readonly oldestMs: number;
    /** Whether they are being forgotten early. */
    readonly early: boolean;
  };
}

const SERIES_OF_KEPT = [
  ...(["changeLogBytes", "changeLogRoomBytes", "changeLogCommits", "changeLogOldest"] as const),
  ...(["requestIdBytes", "requestIdRoomBytes"] as const),
  ...(["requestIdOldestSeconds", "requestIdsForgottenEarly"] as const),
] as const;

/** Have it told what is kept, which the main thread does. */
export function knowKept(metrics: Metrics): void {
  for (const key of SERIES_OF_KEPT) metrics.know(key, {});
}

/** Note how much is kept, in the thread that knows. */
export function noteKept(metrics: Metrics, { changeLog, requestIds }: Kept): void {
  const values = [
    ...[changeLog.bytes, changeLog.roomBytes, changeLog.commits, (changeLog.oldestMs ?? Number.NaN) / 1_000],
    ...[requestIds.bytes, requestIds.roomBytes, requestIds.oldestMs / 1_000, requestIds.early ? 1 : 0],
  ];
  for (const [i, key] of SERIES_OF_KEPT.entries()) metrics.numbers[metrics.placeOf(key, {})] = values[i]!;
}
