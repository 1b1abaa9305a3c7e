/** What a counter is told of time, and where it is in it, as messages of the API have them. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type Duration,
  durationFromMs,
  durationMs,
  type Timestamp,
  timestampFromMs,
  timestampMs,
} from "@bufbuild/protobuf/wkt";
import {
  type CalendarUnit,
  type CounterSchema,
  type Refill as RefillMessage,
  RefillSchema,
  type Window as WindowMessage,
  WindowSchema,
} from "../../../gen/tally/v1/counter_pb.ts";
import type { CreateCounterRequest } from "../../../gen/tally/v1/counter_service_pb.ts";
import type { FullCounter } from "../../core/counter.ts";
import type { Refusal } from "../../core/errors.ts";
import type { Refill } from "../../core/refill.ts";
import { expireTimeOf, fullTimeOf } from "../../core/timing.ts";
import { CALENDAR_UNITS, isCalendar, type Window } from "../../core/window.ts";
import { invalidField } from "./shape.ts";

/** A window from its message, whose shape was checked (see timeFault); and as one. */
export const WINDOW = {
  from({ span, anchor, timeZone, day }: WindowMessage): Window {
    if (span.case === "every") {
      return { everyMs: durationMs(span.value), anchorMs: anchor === undefined ? 0 : timestampMs(anchor) };
    }
    return { unit: CALENDAR_UNITS[Number(span.value) - 1]!, timeZone, day: day ?? 1 };
  },
  to(window: Window | undefined): WindowMessage {
    if (!isCalendar(window!)) {
      const { everyMs, anchorMs } = window!;
      const anchor = anchorMs === 0 ? {} : { anchor: timestampFromMs(anchorMs) };
      return create(WindowSchema, { span: { case: "every", value: durationFromMs(everyMs) }, ...anchor });
    }
    const { unit, timeZone, day } = window;
    const value = (CALENDAR_UNITS.indexOf(unit) + 1) as CalendarUnit;
    return create(WindowSchema, { span: { case: "calendar", value }, timeZone, ...(day !== 1 && { day }) });
  },
};

/** The same of a refill. */
export const REFILL = {
  from: ({ amount, every }: RefillMessage): Refill => ({ amount, everyMs: durationMs(every!) }),
  to: (refill: Refill | undefined): RefillMessage =>
    create(RefillSchema, { amount: refill!.amount, every: durationFromMs(refill!.everyMs) }),
};

/** And of an idle TTL. */
export const IDLE_TTL = {
  from: (ttl: Duration): bigint => BigInt(durationMs(ttl)),
  to: (ms: bigint | undefined): Duration => durationFromMs(Number(ms)),
};

/** What the rules of the .proto cannot say of the times in a request: how fine they may be, and that they are any. */
export function timeFault({
  window,
  refill,
  idleTtl,
}: Pick<CreateCounterRequest, "window" | "refill" | "idleTtl">): Refusal | undefined {
  const every = window?.span.case === "every" ? window.span.value : undefined;
  return (
    faultIn("window.every", every, 1_000_000_000, "must be whole seconds") ??
    instantFault("window.anchor", window?.anchor) ??
    faultIn("refill.every", refill?.every, 1_000_000, "must be whole milliseconds") ??
    faultIn("idle_ttl", idleTtl, 1_000_000, "must be whole milliseconds")
  );
}

/** What is wrong with an instant in a request: it is to be one of whole milliseconds. */
export function instantFault(field: string, time: Timestamp | undefined): Refusal | undefined {
  return faultIn(field, time, 1_000_000, "must be whole milliseconds of the years 1 to 9999");
}

/** Durations here are positive, so both have their nanoseconds from 0 up to a second. */
function faultIn(
  field: string,
  time: Duration | Timestamp | undefined,
  grainNanos: number,
  expected: string,
): Refusal | undefined {
  if (time === undefined) return undefined;
  const { seconds, nanos } = time;
  const any = nanos >= 0 && nanos < 1_000_000_000 && seconds >= FIRST_SECOND && seconds <= LAST_SECOND;
  if (any && nanos % grainNanos === 0) return undefined;
  return invalidField(field, expected, time);
}

/** Of google.protobuf.Timestamp: the years 1 to 9999. */
const FIRST_SECOND = -62_135_596_800n;
const LAST_SECOND = 253_402_300_799n;

/** Where a counter is in time: its window, when it is gone, when it is full. */
export function timingFields(
  counter: FullCounter,
): Omit<MessageInitShape<typeof CounterSchema>, "$typeName"> {
  const { timing } = counter;
  if (timing === undefined) return {};
  const [windowStart, windowEnd] = [timestampOf(timing.windowStart), timestampOf(timing.windowEnd)];
  const [expireTime, fullTime] = [timestampOf(expireTimeOf(counter)), timestampOf(fullTimeOf(counter))];
  return {
    ...(windowStart && { windowStart }),
    ...(windowEnd && { windowEnd }),
    ...(expireTime && { expireTime }),
    ...(fullTime && { fullTime }),
  };
}

/** None of a time that a Timestamp cannot say. */
export function timestampOf(ms: number | undefined): Timestamp | undefined {
  return ms === undefined || ms >= (Number(LAST_SECOND) + 1) * 1_000 ? undefined : timestampFromMs(ms);
}
