import { fromJson, toBinary } from "@bufbuild/protobuf";
import { DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";

/** A message of Protobuf's own that is a time, and one string in JSON. */
export interface TimeText {
  readonly expected: string;
  /** @returns  undefined where the text says no such time */
  toBytes(text: string): Uint8Array | undefined;
}

/** By the type's name. */
export const TIME_TEXTS: ReadonlyMap<string, TimeText> = new Map([
  [
    DurationSchema.typeName,
    {
      expected: 'must be seconds with an "s", such as "86400s", up to 315576000000',
      toBytes(text) {
        if (!/^-?\d{1,12}(\.\d{1,9})?s$/.test(text)) return undefined;
        if (Math.abs(Number.parseFloat(text)) > DURATION_SECONDS_MAX) return undefined;
        return toBinary(DurationSchema, fromJson(DurationSchema, text));
      },
    },
  ],
  [
    TimestampSchema.typeName,
    {
      expected: 'must be an instant in RFC 3339, such as "2026-03-29T00:00:00Z"',
      toBytes(text) {
        if (text.length > TIMESTAMP_LENGTH_MAX || !isOfCalendar(text)) return undefined;
        try {
          return toBinary(TimestampSchema, fromJson(TimestampSchema, text));
        } catch {
          return undefined;
        }
      },
    },
  ],
]);

/** As google.protobuf.Duration has it: some 10,000 years. */
const DURATION_SECONDS_MAX = 315_576_000_000;

/** With nanoseconds and an offset it has 35. */
const TIMESTAMP_LENGTH_MAX = 40;

/** Whether there is such a day, and such an hour: Date takes 30 February for 2 March, and 24:00 for the next day. */
function isOfCalendar(text: string): boolean {
  const [, year, month, day, hour] = /^(\d{4})-(\d\d)-(\d\d)T(\d\d)/.exec(text) ?? [];
  const last = new Date(0).setUTCFullYear(Number(year), Number(month), 0); // Day 0 of the month after.
  return Number(day) <= new Date(last).getUTCDate() && Number(hour) <= 23;
}
