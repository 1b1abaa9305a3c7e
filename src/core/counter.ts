import { type Epoch, inEpoch } from "./epoch.ts";
import { INT64_MAX, INT64_MIN } from "./int64.ts";
import type { CountingSettings, Details } from "./settings.ts";

/** A counter as the rule sees it: what counting reads and changes. */
export interface Counter extends CountingSettings {
  /** UUIDv7 text, new at every creation of the name. */
  readonly uid: string;
  readonly value: bigint;
  /** Accepted changes of the value, the creation included: 1 and up. A number: 2^53 changes take centuries. */
  readonly revision: number;
  /** When the value last changed: milliseconds since the Unix epoch. */
  readonly updateTime: number;
  /** How many times the settings were changed, the creation included: 1 and up. */
  readonly settingsRevision: number;
  /** Where it is in time. Undefined, always, of a counter that time does nothing to, and only of such a one. */
  readonly timing: Timing | undefined;
  /** The policy that its settings follow; undefined: none, they are its own. */
  readonly policy?: Followed | undefined;
}

/** What is kept of a counter that changes by itself, beside its settings. Times in milliseconds since the Unix epoch. */
export interface Timing {
  /** With a window: the one that the value is of. The end that is stored decides, not one that is reckoned later. */
  readonly windowStart: number | undefined;
  readonly windowEnd: number | undefined;
  /** With a refill: when the value was what it is, and `refillCarry`. Undefined while it is at initial. */
  readonly refillTime: number | undefined;
  /** What it had come closer to initial by then beyond whole units: 0 up to `every` of the reduced refill. */
  readonly refillCarry: bigint;
  /**
   * When somebody is to look whether there is something to write down. Never later than there is; it may be earlier, for
   * it moves only when it is looked at: so counting writes no index. Undefined: never.
   */
  readonly due: number | undefined;
}

/** How a counter follows a policy. */
export interface Followed {
  /** Of the policy that gave the counter its settings. */
  readonly prefix: string;
  /** That policy's revision; 0 while the counter's settings are not wholly those of the policy: see settlingOf. */
  readonly revision: number;
}

/** A counter that can be changed in place: for who owns it. */
export type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/**
 * A counter to be filled in. Written out, and the only place where one is: an object that is put together of parts takes
 * a third more memory, and a store keeps many.
 */
export function blankCounter(): Mutable<Counter> {
  return {
    uid: "",
    value: 0n,
    initial: 0n,
    min: undefined,
    max: undefined,
    clamp: false,
    monotonic: false,
    window: undefined,
    refill: undefined,
    idleTtlMs: undefined,
    revision: 0,
    updateTime: 0,
    settingsRevision: 0,
    timing: undefined,
    policy: undefined,
  };
}

/** Put what counting looks at into a counter: for each operation, and so by name, because a loop takes five times as long. */
export function putCountingSettings(into: Mutable<CountingSettings>, from: CountingSettings): void {
  putPlainSettings(into, from);
  putTimeSettings(into, from);
}

/** Those that every counter has. */
export function putPlainSettings(into: Mutable<CountingSettings>, from: CountingSettings): void {
  into.initial = from.initial;
  into.min = from.min;
  into.max = from.max;
  into.clamp = from.clamp;
  into.monotonic = from.monotonic;
}

/** Those by which time changes a counter, which few have: the others are not to pay for them. */
export function putTimeSettings(into: Mutable<CountingSettings>, from: CountingSettings): void {
  into.window = from.window;
  into.refill = from.refill;
  into.idleTtlMs = from.idleTtlMs;
}

/** Everything kept about a counter. */
export interface FullCounter extends Counter, Details {
  readonly name: string;
  readonly createTime: number;
}

/** Stands for what is damaged on disk: a row that fails its checksum, or may be there and cannot be found. */
export const CORRUPT = Symbol("corrupt");

/** What counting leaves as it is: which counter it is, and its settings. */
export type Fixed = Omit<FullCounter, "name" | "value" | "revision" | "updateTime" | "timing">;

/** Names a counter at a revision of an epoch; a caller sends it back to change the counter only if nobody else has. */
export function etagOf(uid: string, revision: number, epoch: Epoch): string {
  return inEpoch(`${uid}.${revision}`, epoch);
}

/** Names a counter's settings; the "s" keeps it from ever equalling an etag. */
export function settingsEtagOf(uid: string, settingsRevision: number, epoch: Epoch): string {
  return inEpoch(`${uid}.s${settingsRevision}`, epoch);
}

/** The lowest value allowed, int64's own when the counter has no minimum. */
export function lowest(bounds: Pick<Counter, "min">): bigint {
  return bounds.min ?? INT64_MIN;
}

/** The highest value allowed, int64's own when the counter has no maximum. */
export function highest(bounds: Pick<Counter, "max">): bigint {
  return bounds.max ?? INT64_MAX;
}

/** How far the value may still move: both 0 to 2^64-1. */
export function headroom(counter: Pick<Counter, "value" | "min" | "max">): { up: bigint; down: bigint } {
  return { up: highest(counter) - counter.value, down: counter.value - lowest(counter) };
}
