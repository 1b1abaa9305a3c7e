import type { Metrics } from "./metrics.ts";
import type { SeriesKey } from "./series.ts";

/** What is not as it should be, by what is measured. */
interface Warned {
  readonly key: SeriesKey;
  /** What to tell of a number, if it is to be told of. */
  readonly tell: (value: number, nowMs: number) => string | undefined;
}

const WARNED: readonly Warned[] = [
  {
    key: "storeRoomBytes",
    tell: (bytes) =>
      bytes < ROOM_BYTES
        ? `The disk of the data file has ${Math.floor(bytes / 2 ** 20)} MiB left; from one on no change is taken.`
        : undefined,
  },
  {
    key: "historyLagSeconds",
    tell: (seconds) =>
      seconds > LAG_SECONDS
        ? `History is ${Math.round(seconds)} s behind; while the change log has room nothing of it is lost.`
        : undefined,
  },
  {
    key: "requestIdsForgottenEarly",
    tell: (early) =>
      early > 0
        ? "Request ids are forgotten before request-ids-keep has passed: request-ids-bytes-max is used up."
        : undefined,
  },
  {
    key: "catalogueAgeSeconds",
    tell: (seconds) =>
      seconds > STALE_SECONDS
        ? "Who may call cannot be read from the store: nobody is let in until it can."
        : undefined,
  },
  {
    key: "certificateEnds",
    tell: (seconds, nowMs) => {
      const days = (seconds - nowMs / 1_000) / 86_400;
      if (days < 0) return "The certificate has ended: callers that check it hang up.";
      return days < CERTIFICATE_DAYS ? `The certificate ends in ${Math.floor(days)} days.` : undefined;
    },
  },
];

/** What is not as it should be now, by what is measured: a sentence each. @param nowMs  since the Unix epoch */
export function warningsOf(metrics: Metrics, nowMs: number): string[] {
  metrics.look();
  return WARNED.flatMap(({ key, tell }) => {
    const value = metrics.at(metrics.placeOf(key, {} as never));
    return Number.isNaN(value) ? [] : (tell(value, nowMs) ?? []);
  });
}

const ROOM_BYTES = 2 ** 30;
const LAG_SECONDS = 60;
/** As the guard has it. */
const STALE_SECONDS = 10;
const CERTIFICATE_DAYS = 14;
