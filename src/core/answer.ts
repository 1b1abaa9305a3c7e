/**
 * The record kept under a request id: what was asked (so that reuse for something else is noticed) and what was
 * answered (so that a retry gets the same). One compact byte string, saved in the same step as the change.
 */
import { ByteReader, ByteWriter } from "./bytes.ts";
import type { CallHead, Outcomes } from "./columns.ts";
import type { FullCounter, Timing } from "./counter.ts";
import { settingsFor } from "./decide.ts";
import type { Refusal } from "./errors.ts";
import { type Op, Verb } from "./op.ts";
import {
  byAge,
  CODECS,
  type CodedKind,
  DEFAULTS,
  isDefault,
  type Kind,
  type Kinds,
  SETTING_KEYS,
  SETTINGS,
  type Setting,
  type SettingKey,
  type Settings,
  textOf,
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
  if (op !== undefined) {
    w.byte(SINGLE);
    writePayload(w, op);
    w.raw(uidToBytes(outcomes.uids[c]!));
  } else {
    w.byte(BATCH);
    w.byte(call.allOrNothing ? 1 : 0);
    w.text(call.digest ?? "");
  }
  w.uint(outcomes.times[c]!);
  for (let i = first; i < call.end; i++) writeOutcome(w, outcomes, i);
  const counter = op === undefined ? undefined : outcomes.counters.get(first);
  if (op?.verb === Verb.UPDATE) writeSettings(w, counter!);
  if (counter?.timing !== undefined) writeTiming(w, counter.timing);
  return w.finish();
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
  const kind = r.byte();
  if (kind !== (op === undefined ? BATCH : SINGLE)) return reused("operations");
  if (op !== undefined) {
    const field = differingField(r, op);
    if (field !== undefined) return reused(field);
    outcomes.uids[c] = uidFromBytes(r.raw(16));
  } else {
    if ((r.byte() === 1) !== call.allOrNothing) return reused("all_or_nothing");
    if (r.text() !== call.digest) return reused("operations");
  }
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

function reused(field: string): Refusal {
  return { code: "REQUEST_ID_REUSED", field };
}

/**
 * What was asked, field by field. The name is in the key. Texts are kept as 53-bit hashes. Settings that came later stand
 * behind those that were there from the beginning, and only if one of them was given.
 */
function writePayload(w: ByteWriter, op: Op): void {
  const flag = op.verb === Verb.DELETE ? op.keepHistory : op.mustExist;
  const given = settingsGiven(op);
  const later = given.size > 0 && LATER.some((key) => given.has(key));
  const head =
    (flag ? 0x10 : 0) | (op.etag === undefined ? 0 : 0x20) | (op.note ? 0x40 : 0) | (later ? 0x80 : 0);
  w.byte(op.verb | head);
  w.int64(op.amount);
  if (op.etag !== undefined) w.uint(hash53(op.etag));
  if (op.note) w.uint(hash53(op.note));
  if (op.verb !== Verb.CREATE && op.verb !== Verb.UPDATE) return;
  if (op.verb === Verb.UPDATE) w.byte(bitsOf(FIRST, given, (_, i) => 1 << i));
  for (const key of FIRST) if (given.has(key)) w.uint(given.get(key)!);
  if (!later) return;
  w.uint(bitsOf(LATER, given, bitOf));
  for (const key of LATER) if (given.has(key)) w.uint(given.get(key)!);
}

function bitsOf(
  keys: readonly SettingKey[],
  given: ReadonlyMap<SettingKey, number>,
  bit: (key: SettingKey, i: number) => number,
): number {
  return keys.reduce((bits, key, i) => (given.has(key) ? bits | bit(key, i) : bits), 0);
}

/** The first field, in the order of the API, in which the record differs from what is asked now. */
function differingField(r: ByteReader, op: Op): string | undefined {
  const head = r.byte();
  const amount = r.int64();
  const etag = head & 0x20 ? r.uint() : undefined;
  const note = head & 0x40 ? r.uint() : undefined;
  if ((head & 0x0f) !== op.verb) return "the method";
  if (amount !== op.amount) return op.verb === Verb.SET || op.verb === Verb.CREATE ? "value" : "amount";
  const deletes = op.verb === Verb.DELETE;
  if (!deletes && (head & 0x10) !== (op.mustExist ? 0x10 : 0)) return "must_exist";
  if (etag !== (op.etag === undefined ? undefined : hash53(op.etag))) {
    return op.verb === Verb.UPDATE ? "settings_etag" : "etag";
  }
  if (note !== (op.note ? hash53(op.note) : undefined)) return "note";
  if (deletes && (head & 0x10) !== (op.keepHistory ? 0x10 : 0)) return "keep_history";
  return op.verb === Verb.CREATE || op.verb === Verb.UPDATE
    ? differingSetting(r, op, (head & 0x80) !== 0)
    : undefined;
}

/** The first setting that was given another value, or only one of the two times. */
function differingSetting(r: ByteReader, op: Op, later: boolean): string | undefined {
  const recorded = new Map<SettingKey, number>();
  const bits = op.verb === Verb.UPDATE ? r.byte() : 2 ** FIRST.length - 1;
  for (const [i, key] of FIRST.entries()) if (bits & (1 << i)) recorded.set(key, r.uint());
  const laterBits = later ? r.uint() : 0;
  for (const key of LATER) if (laterBits & bitOf(key)) recorded.set(key, r.uint());
  const given = settingsGiven(op);
  const differing = SETTING_KEYS.find((key) => recorded.get(key) !== given.get(key));
  return differing && SETTINGS[differing].field;
}

const { first: FIRST, later: LATER } = byAge(SETTING_KEYS);

function bitOf(key: SettingKey): number {
  return (SETTINGS[key] as Setting).bit ?? 0;
}

/**
 * What a creation or an update says of settings, as hashes: an update of those that its mask names, a creation of all,
 * but for those that came later and are at their defaults.
 */
function settingsGiven(op: Op): ReadonlyMap<SettingKey, number> {
  const { mask } = op;
  const settings = op.verb === Verb.CREATE ? settingsFor(op) : op.settings; // As the rule takes them.
  if (settings === undefined) return NOTHING_GIVEN;
  const given = mask ?? [...FIRST, ...LATER.filter((key) => !isDefault(settings, key))];
  return new Map(given.map((key) => [key, hash53(textOf(key, settings[key]))]));
}

const NOTHING_GIVEN: ReadonlyMap<SettingKey, number> = new Map();

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
  w.uint(SETTING_KEYS.reduce((bits, key) => (isDefault(counter, key) ? bits : bits | bitOf(key)), 0));
  for (const key of [...FIRST, ...LATER]) {
    if (bitOf(key) === 0 || !isDefault(counter, key)) WRITE[SETTINGS[key].kind](w, counter[key] as never);
  }
}

function readSettings(r: ByteReader): AfterUpdate {
  const [settingsRevision, createTime, updateTime, bits] = [r.uint(), r.uint(), r.uint(), r.uint()];
  const settings: Record<string, unknown> = { ...DEFAULTS };
  for (const key of [...FIRST, ...LATER]) {
    if (bitOf(key) === 0 || bits & bitOf(key))
      settings[key] = READ[SETTINGS[key].kind](r, DEFAULTS[key] as never);
  }
  return { ...(settings as unknown as Settings), settingsRevision, createTime, updateTime };
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
    w.text(JSON.stringify(refusal, numbersAsText));
    return;
  }
  w.int64(outcomes.values[i]!);
  w.int64(BigInt.asIntN(64, outcomes.values[i]! - outcomes.previous[i]!)); // Modulo 2^64: it is added back the same way.
}

function readOutcome(r: ByteReader, outcomes: Outcomes, i: number): void {
  const revision = r.uint();
  if (revision === 0) {
    outcomes.refusals.set(i, JSON.parse(r.text(), numbersFromText) as Refusal);
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

/** 53 bits of a text: two independent FNV-like passes. Enough to notice an honest mistake; not for secrets. */
function hash53(text: string): number {
  let a = 0x811c9dc5;
  let b = 0x9e3779b9;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit, 0x85ebca6b);
    b ^= b >>> 13;
  }
  return (a >>> 0) * 0x200000 + ((b >>> 0) & 0x1fffff);
}
