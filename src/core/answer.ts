/**
 * The record kept under a request id: what was asked (so that reuse for something else is noticed) and what was
 * answered (so that a retry gets the same). One compact byte string, saved in the same step as the change.
 */
import { bitOf, differingField, differingTakes, FIRST, LATER, writeAsked } from "./asked.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import type { CallHead, Outcomes } from "./columns.ts";
import type { FullCounter, Timing } from "./counter.ts";
import type { Refusal } from "./errors.ts";
import { type Op, settingsFor, Verb } from "./op.ts";
import {
  CODECS,
  type CodedKind,
  DEFAULTS,
  isDefault,
  type Kind,
  type Kinds,
  SETTING_KEYS,
  SETTINGS,
  type Settings,
} from "./settings.ts";
import { uidFromBytes, uidToBytes } from "./uid.ts";

/**
 * The key of a call's record: the id first, because ids that are ordered in time then land beside each other;
 * then the counter (none for a batch) and the caller. Neither ids nor names have spaces, so no two keys meet.
 */
export function requestKey(call: CallHead, name: string): string {
  return `${call.requestId} ${call.single ? name : ""} ${call.caller}`;
}

/** The record of a call that applied something. */
export function encodeAnswer(
  call: CallHead,
  c: number,
  first: number,
  op: Op | undefined,
  outcomes: Outcomes,
): Uint8Array {
  const w = new ByteWriter(call.single ? 64 : 16 + 8 * (call.end - first));
  begin(w, call, op);
  if (op !== undefined) w.raw(uidToBytes(outcomes.uids[c]!));
  w.uint(outcomes.times[c]!);
  for (let i = first; i < call.end; i++) writeOutcome(w, outcomes, i);
  const counter = op === undefined ? undefined : outcomes.counters.get(first);
  if (op?.verb === Verb.UPDATE) writeSettings(w, counter!);
  if (counter?.timing !== undefined) writeTiming(w, counter.timing);
  return w.finish();
}

/** The beginning of a call's record: what it asks. It is enough for `isOf`. */
export function encodeAsked(call: CallHead, op: Op | undefined): Uint8Array {
  const w = new ByteWriter(64);
  begin(w, call, op);
  return w.finish();
}

function begin(w: ByteWriter, call: CallHead, op: Op | undefined): void {
  if (op !== undefined) {
    w.byte(SINGLE);
    writeAsked(w, op);
  } else {
    w.byte(BATCH);
    w.byte(manner(call));
    w.text(call.digest ?? "");
  }
}

/** Whether a record is of what a call asks; and so is what is no record, for nobody can tell of what it was. */
export function isOf(record: Uint8Array, call: CallHead, op: Op | undefined): boolean {
  try {
    return differing(new ByteReader(record), call, op) === undefined;
  } catch (error) {
    if (isNoRecord(error)) return true;
    throw error;
  }
}

/** Whether an error says that what was read is no record. */
export function isNoRecord(error: unknown): boolean {
  return error instanceof RangeError || error instanceof SyntaxError;
}

/** The first field in which a call differs from that of a record, whose beginning is read; undefined: in none. */
function differing(r: ByteReader, call: CallHead, op: Op | undefined): string | undefined {
  if (r.byte() !== (op === undefined ? BATCH : SINGLE)) return "operations";
  if (op !== undefined) return differingField(r, op);
  const asked = r.byte();
  if (asked !== manner(call)) return asked === TAKEN || call.takes ? "the method" : "all_or_nothing";
  const digest = r.text();
  if (digest === call.digest) return undefined;
  return asked === TAKEN ? differingTakes(digest, call.digest!) : "operations";
}

/**
 * Answer a call from its record, as the first time.
 *
 * @returns  the refusal when the record is of another request, else undefined and the outcomes are filled in
 */
export function replayAnswer(
  record: Uint8Array,
  call: CallHead,
  c: number,
  first: number,
  op: Op | undefined,
  outcomes: Outcomes,
): Refusal | undefined {
  const r = new ByteReader(record);
  const field = differing(r, call, op);
  if (field !== undefined) return { code: "REQUEST_ID_REUSED", field };
  if (op !== undefined) outcomes.uids[c] = uidFromBytes(r.raw(16));
  outcomes.times[c] = r.uint();
  outcomes.replayed[c] = 1;
  for (let i = first; i < call.end; i++) readOutcome(r, outcomes, i);
  if (op?.verb === Verb.UPDATE || (op?.verb === Verb.CREATE && !r.done)) {
    const [uid, value, revision] = [outcomes.uids[c]!, outcomes.values[first]!, outcomes.revisions[first]!];
    const settings = op.verb === Verb.UPDATE ? readSettings(r) : asMade(op, outcomes.times[c]!);
    const timing = r.done ? undefined : readTiming(r);
    outcomes.counters.set(first, { name: op.name, uid, value, revision, ...settings, timing });
  }
  return undefined;
}

const SINGLE = 1;
const BATCH = 2;

/** How the operations of a call belong together: not, in a group, or as takes. */
function manner({ allOrNothing, takes }: CallHead): number {
  return takes !== undefined ? TAKEN : allOrNothing ? 1 : 0;
}

const TAKEN = 2;

type AfterUpdate = Omit<FullCounter, "name" | "uid" | "value" | "revision" | "timing">;

/** A creation is answered by what was asked, and by its timing. */
function asMade(op: Op, time: number): AfterUpdate {
  return { ...settingsFor(op), settingsRevision: 1, createTime: time, updateTime: time };
}

/** The settings that an update led to, in the answer. */
function writeSettings(w: ByteWriter, counter: FullCounter): void {
  w.uint(counter.settingsRevision);
  w.uint(counter.createTime);
  w.uint(counter.updateTime);
  const follows = counter.policy === undefined ? 0 : FOLLOWS;
  w.uint(SETTING_KEYS.reduce((bits, key) => (isDefault(counter, key) ? bits : bits | bitOf(key)), follows));
  for (const key of [...FIRST, ...LATER]) {
    if (bitOf(key) === 0 || !isDefault(counter, key)) WRITE[SETTINGS[key].kind](w, counter[key] as never);
  }
  if (counter.policy !== undefined) w.text(counter.policy.prefix);
}

/** Among the bits of the settings: the prefix of a policy stands behind them. */
const FOLLOWS = 2 ** 28;

function readSettings(r: ByteReader): AfterUpdate {
  const [settingsRevision, createTime, updateTime, bits] = [r.uint(), r.uint(), r.uint(), r.uint()];
  const settings: Record<string, unknown> = { ...DEFAULTS };
  for (const key of [...FIRST, ...LATER]) {
    if (bitOf(key) === 0 || bits & bitOf(key))
      settings[key] = READ[SETTINGS[key].kind](r, DEFAULTS[key] as never);
  }
  const policy = bits & FOLLOWS ? { prefix: r.text(), revision: 0 } : undefined;
  return { ...(settings as unknown as Settings), settingsRevision, createTime, updateTime, policy };
}

/** At the end of the record; only of a counter that time does something to. */
function writeTiming(w: ByteWriter, timing: Timing): void {
  w.byte(TIMES.reduce((bits, key, i) => (timing[key] === undefined ? bits : bits | (1 << i)), 0));
  for (const key of TIMES) if (timing[key] !== undefined) w.int64(BigInt(timing[key]));
  w.int64(timing.refillCarry);
}

function readTiming(r: ByteReader): Timing {
  const bits = r.byte();
  const read = TIMES.map((key, i) => [key, bits & (1 << i) ? Number(r.int64()) : undefined]);
  return { ...Object.fromEntries(read), refillCarry: r.int64() };
}

const TIMES = ["windowStart", "windowEnd", "refillTime", "due"] as const satisfies readonly (keyof Timing)[];

/** How the value of a setting is written; where it has a bit, only when it is not the default. */
const WRITE: { readonly [K in Kind]: (w: ByteWriter, value: Kinds[K]) => void } = {
  int64: (w, value) => w.int64(value),
  optional: (w, value) => w.int64(value!),
  boolean: () => {}, // Its bit says it.
  labels: (w, labels) => {
    const pairs = Object.entries(labels);
    w.uint(pairs.length);
    for (const pair of pairs) for (const text of pair) w.text(text);
  },
  text: (w, text) => w.text(text),
  window: (w, window) => w.text(CODECS.window.toText(window!)),
  refill: (w, refill) => w.text(CODECS.refill.toText(refill!)),
};

const READ: { readonly [K in Kind]: (r: ByteReader, byDefault: Kinds[K]) => Kinds[K] } = {
  int64: (r) => r.int64(),
  optional: (r) => r.int64(),
  boolean: (_, byDefault) => !byDefault,
  labels: (r) => Object.fromEntries(Array.from({ length: r.uint() }, () => [r.text(), r.text()])),
  text: (r) => r.text(),
  window: (r) => coded("window", r.text()),
  refill: (r) => coded("refill", r.text()),
};

function coded<K extends CodedKind>(kind: K, text: string): NonNullable<Kinds[K]> {
  const value = CODECS[kind].fromText(text);
  if (value === undefined) throw new SyntaxError(`expected a ${kind} in the record, got another text`);
  return value as NonNullable<Kinds[K]>;
}

function writeOutcome(w: ByteWriter, outcomes: Outcomes, i: number): void {
  const refusal = outcomes.refusals.get(i);
  w.uint(refusal === undefined ? outcomes.revisions[i]! : 0); // A revision is 1 or more, so 0 marks a refusal.
  if (refusal !== undefined) {
    const { name: _, ...told } = refusal; // It is in what was asked, and may look like a number.
    w.text(JSON.stringify(told, numbersAsText));
    return;
  }
  w.int64(outcomes.values[i]!);
  w.int64(BigInt.asIntN(64, outcomes.values[i]! - outcomes.previous[i]!)); // Modulo 2^64: it is added back the same way.
}

function readOutcome(r: ByteReader, outcomes: Outcomes, i: number): void {
  const revision = r.uint();
  if (revision === 0) {
    // When there would be room was told of then.
    const { retryAfterMs: _, ...refusal } = JSON.parse(r.text(), numbersFromText) as Refusal;
    outcomes.refusals.set(i, refusal);
    return;
  }
  outcomes.revisions[i] = revision;
  const value = r.int64();
  outcomes.values[i] = value;
  outcomes.previous[i] = BigInt.asIntN(64, value - r.int64());
}

function numbersAsText(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}n` : value;
}

function numbersFromText(_: string, value: unknown): unknown {
  return typeof value === "string" && /^-?\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value;
}
