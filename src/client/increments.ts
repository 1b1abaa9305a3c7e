/**
 * A BatchApply of increments as bytes, and its answer, without an object an operation.
 *
 * protobuf-es takes 3 microseconds an operation there and back, most of it for objects and BigInts that nobody looks
 * at; that would be half of what counting a line may cost. test/client/increments.test.ts holds the two together.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { BatchApplyResponseSchema, type Refusal } from "../../gen/browser/tally/v1/counter_service_pb.ts";

/** Operations that one BatchApply may have. */
export const BATCH_OPS_MAX = 8_000;

/** So much to add to each of some counters. */
export interface Increments {
  /** 1 to BATCH_OPS_MAX names, each 1 to 200 bytes of printable ASCII. */
  readonly names: readonly string[];
  /** At each name's index, how much to add: a whole number from 1 to 2^53-1. */
  readonly amounts: readonly number[];
}

/** The bytes of the BatchApplyRequest that adds these. */
export function encodeIncrements({ names, amounts }: Increments, requestId: string): Buffer {
  let capacity = 2 + requestId.length;
  for (const name of names) capacity += name.length + OPERATION_BYTES_MAX;
  const bytes = Buffer.allocUnsafe(capacity);
  let at = 0;
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    const amount = amounts[i]!;
    const nameSize = name.length + (name.length < 0x80 ? 2 : 3);
    bytes[at++] = OPERATIONS;
    at = putVarint(bytes, at, nameSize + 1 + varintSize(amount));
    bytes[at++] = NAME;
    at = putVarint(bytes, at, name.length);
    at += bytes.write(name, at, "latin1");
    bytes[at++] = INCREMENT;
    at = putVarint(bytes, at, amount);
  }
  bytes[at++] = REQUEST_ID;
  at = putVarint(bytes, at, requestId.length);
  at += bytes.write(requestId, at, "latin1");
  return bytes.subarray(0, at);
}

/**
 * Read the BatchApplyResponse to `count` increments.
 *
 * @returns  why operations were refused, by their index; every other one was applied
 * @throws Error when the bytes are no such answer, or do not have an outcome for each: nothing is known then
 */
export function decodeIncrementsAnswer(bytes: Uint8Array, count: number): Map<number, Refusal> {
  const refusals = new Map<number, Refusal>();
  let outcomes = 0;
  let at = 0;
  while (at < bytes.length) {
    const start = at;
    at = endOfField(bytes, start);
    if (bytes[start] !== OUTCOMES) continue;
    if (hasRefusal(bytes, start, at)) refusals.set(outcomes, refusalIn(bytes.subarray(start, at)));
    outcomes++;
  }
  if (at !== bytes.length || outcomes !== count) {
    throw new Error(`expected ${count} outcomes in the answer to a batch, got ${outcomes}`);
  }
  return refusals;
}

/** Tags of BatchApplyRequest and Operation. */
const OPERATIONS = 0x0a;
const REQUEST_ID = 0x12;
const NAME = 0x0a;
const INCREMENT = 0x10;
/** Tags of BatchApplyResponse and OperationOutcome. */
const OUTCOMES = 0x0a;
const REFUSAL = 0x2a;

/** What an operation takes beside its name: three tags, two lengths of two bytes, an amount of eight. */
const OPERATION_BYTES_MAX = 3 + 2 * 2 + 8;

/** Whether the outcome between two positions, its tag included, has a refusal. */
function hasRefusal(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start + 1;
  while (bytes[at]! >= 0x80) at++;
  at++;
  while (at < end) {
    if (bytes[at] === REFUSAL) return true;
    at = endOfField(bytes, at);
  }
  return false;
}

/** The bytes of one field `outcomes` are those of a BatchApplyResponse with that one. */
function refusalIn(bytes: Uint8Array): Refusal {
  return fromBinary(BatchApplyResponseSchema, bytes).outcomes[0]!.refusal!;
}

/** Where the field whose tag stands at `at` ends; past everything when it is of no type known here. */
function endOfField(bytes: Uint8Array, at: number): number {
  let after = at;
  while (bytes[after]! >= 0x80) after++;
  const wireType = bytes[at]! & 7;
  after++;
  if (wireType === 0) {
    while (bytes[after]! >= 0x80) after++;
    return after + 1;
  }
  if (wireType !== 2) return wireType === 1 ? after + 8 : wireType === 5 ? after + 4 : Infinity;
  let length = 0;
  let scale = 1;
  for (; bytes[after]! >= 0x80; after++, scale *= 0x80) length += (bytes[after]! & 0x7f) * scale;
  length += bytes[after]! * scale;
  return after + 1 + length;
}

function putVarint(bytes: Uint8Array, at: number, number: number): number {
  let after = at;
  let rest = number;
  while (rest >= 0x80) {
    bytes[after++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  bytes[after++] = rest;
  return after;
}

function varintSize(number: number): number {
  let size = 1;
  for (let rest = number; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}
