/**
 * The record kept under a request id: what was asked (so that reuse for something else is noticed) and what was
 * answered (so that a retry gets the same). One compact byte string, saved in the same step as the change.
 */
import { ByteReader, ByteWriter } from "./bytes.ts";
import type { CallHead, Outcomes } from "./columns.ts";
import type { Refusal } from "./errors.ts";
import { type Op, type Settings, Verb } from "./op.ts";
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
  return undefined;
}

const SINGLE = 1;
const BATCH = 2;

function reused(field: string): Refusal {
  return { code: "REQUEST_ID_REUSED", field };
}

/** What was asked, field by field. The name is in the key. Texts are kept as 53-bit hashes. */
function writePayload(w: ByteWriter, op: Op): void {
  w.byte(op.verb | (op.mustExist ? 0x10 : 0) | (op.etag === undefined ? 0 : 0x20) | (op.note ? 0x40 : 0));
  w.int64(op.amount);
  if (op.etag !== undefined) w.uint(hash53(op.etag));
  if (op.note) w.uint(hash53(op.note));
  if (op.verb === Verb.CREATE) for (const [, value] of settingFields(op.settings)) w.uint(hash53(value));
}

/** The first field, in the order of the API, in which the record differs from what is asked now. */
function differingField(r: ByteReader, op: Op): string | undefined {
  const head = r.byte();
  const amount = r.int64();
  const etag = head & 0x20 ? r.uint() : undefined;
  const note = head & 0x40 ? r.uint() : undefined;
  if ((head & 0x0f) !== op.verb) return "the method";
  const settings =
    op.verb === Verb.CREATE ? settingFields(op.settings).map(([field]) => [field, r.uint()]) : [];
  if (amount !== op.amount) return op.verb === Verb.SET || op.verb === Verb.CREATE ? "value" : "amount";
  if ((head & 0x10) !== (op.mustExist ? 0x10 : 0)) return "must_exist";
  if (etag !== (op.etag === undefined ? undefined : hash53(op.etag))) return "etag";
  if (note !== (op.note ? hash53(op.note) : undefined)) return "note";
  const asked = new Map(settingFields(op.settings));
  return settings.find(([field, hash]) => hash53(asked.get(field as string)!) !== hash)?.[0] as
    | string
    | undefined;
}

function settingFields(settings: Settings | undefined): [string, string][] {
  if (settings === undefined) return [];
  const labels = Object.entries(settings.labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    ["initial", `${settings.initial}`],
    ["min", `${settings.min}`],
    ["max", `${settings.max}`],
    ["on_bound", `${settings.clamp}`],
    ["monotonic", `${settings.monotonic}`],
    ["labels", JSON.stringify(labels)],
    ["description", settings.description],
  ];
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
