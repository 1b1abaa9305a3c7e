/**
 * The record kept under a request id: what was asked (so that reuse for something else is noticed) and what was
 * answered (so that a retry gets the same). One compact byte string, saved in the same step as the change.
 */
import { ByteReader, ByteWriter } from "./bytes.ts";
import type { CallHead, Outcomes } from "./columns.ts";
import type { FullCounter } from "./counter.ts";
import type { Refusal } from "./errors.ts";
import { type Op, SETTINGS, type SettingKey, type Settings, Verb } from "./op.ts";
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
  if (op?.verb === Verb.UPDATE) writeSettings(w, outcomes.counters.get(first)!);
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
  if (op?.verb === Verb.UPDATE) {
    const [uid, value, revision] = [outcomes.uids[c]!, outcomes.values[first]!, outcomes.revisions[first]!];
    outcomes.counters.set(first, { name: op.name, uid, value, revision, ...readSettings(r) });
  }
  return undefined;
}

const SINGLE = 1;
const BATCH = 2;

function reused(field: string): Refusal {
  return { code: "REQUEST_ID_REUSED", field };
}

/** What was asked, field by field. The name is in the key. Texts are kept as 53-bit hashes. */
function writePayload(w: ByteWriter, op: Op): void {
  const flag = op.verb === Verb.DELETE ? op.keepHistory : op.mustExist;
  w.byte(op.verb | (flag ? 0x10 : 0) | (op.etag === undefined ? 0 : 0x20) | (op.note ? 0x40 : 0));
  w.int64(op.amount);
  if (op.etag !== undefined) w.uint(hash53(op.etag));
  if (op.note) w.uint(hash53(op.note));
  if (op.verb === Verb.CREATE || op.verb === Verb.UPDATE) {
    const given = settingsGiven(op);
    if (op.verb === Verb.UPDATE)
      w.byte(SETTINGS.reduce((bits, [field], i) => bits | (given.has(field) ? 1 << i : 0), 0));
    for (const value of given.values()) w.uint(hash53(value));
  }
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
  return op.verb === Verb.CREATE || op.verb === Verb.UPDATE ? differingSetting(r, op) : undefined;
}

/** The first setting that was given another value, or only one of the two times. */
function differingSetting(r: ByteReader, op: Op): string | undefined {
  const bits = op.verb === Verb.UPDATE ? r.byte() : ALL_SETTINGS;
  const given = settingsGiven(op);
  let differing: string | undefined;
  for (const [i, [field]] of SETTINGS.entries()) {
    const recorded = bits & (1 << i) ? r.uint() : undefined; // Each is read, for what comes after them.
    const value = given.get(field);
    if (recorded !== (value === undefined ? undefined : hash53(value))) differing ??= field;
  }
  return differing;
}

const ALL_SETTINGS = 2 ** SETTINGS.length - 1;

/** What a creation or an update says of settings, by field: all, or those that its mask names. */
function settingsGiven({ settings, mask }: Op): Map<string, string> {
  if (settings === undefined) return new Map();
  const given = SETTINGS.filter(([, key]) => mask === undefined || mask.includes(key));
  return new Map(given.map(([field, key]) => [field, settingText(settings, key)]));
}

function settingText(settings: Settings, key: SettingKey): string {
  if (key !== "labels") return `${settings[key]}`;
  return JSON.stringify(Object.entries(settings.labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}

type AfterUpdate = Omit<FullCounter, "name" | "uid" | "value" | "revision">;

/** The settings that an update led to, in the answer. */
function writeSettings(w: ByteWriter, counter: FullCounter): void {
  const { initial, min, max, clamp, monotonic, labels, description } = counter;
  w.uint(counter.settingsRevision);
  w.uint(counter.createTime);
  w.uint(counter.updateTime);
  w.byte((clamp ? 1 : 0) | (monotonic ? 2 : 0) | (min === undefined ? 0 : 4) | (max === undefined ? 0 : 8));
  w.int64(initial);
  if (min !== undefined) w.int64(min);
  if (max !== undefined) w.int64(max);
  const pairs = Object.entries(labels);
  w.uint(pairs.length);
  for (const pair of pairs) for (const text of pair) w.text(text);
  w.text(description);
}

function readSettings(r: ByteReader): AfterUpdate {
  const settingsRevision = r.uint();
  const createTime = r.uint();
  const updateTime = r.uint();
  const flags = r.byte();
  const initial = r.int64();
  const min = flags & 4 ? r.int64() : undefined;
  const max = flags & 8 ? r.int64() : undefined;
  const labels = Object.fromEntries(Array.from({ length: r.uint() }, () => [r.text(), r.text()]));
  const description = r.text();
  const clamp = (flags & 1) !== 0;
  const monotonic = (flags & 2) !== 0;
  return {
    settingsRevision,
    createTime,
    updateTime,
    initial,
    min,
    max,
    clamp,
    monotonic,
    labels,
    description,
  };
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
