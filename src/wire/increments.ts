/**
 * A BatchApply of increments as bytes, and its answer, without an object an operation.
 *
 * protobuf-es takes 3 microseconds an operation there and back, most of it for objects and BigInts that nobody looks
 * at; that would be half of what counting a line may cost. test/client/increments.test.ts holds the two together.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { BatchApplyResponseSchema, type Refusal } from "../../gen/browser/tally/v1/counter_service_pb.ts";
import { BAD, endOfTag, endOfUnknown, readTag } from "./reader.ts";
import { highOf, presentNumberSize, textSize, WireWriter } from "./writer.ts";

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
  let capacity = textSize(requestId.length);
  for (const name of names) capacity += name.length + OPERATION_BYTES_MAX;
  const w = new WireWriter(capacity);
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!;
    const [low, high] = [amounts[i]! | 0, highOf(amounts[i]!)];
    w.begin(OPERATIONS, textSize(name.length) + presentNumberSize(low, high));
    w.ascii(NAME, name);
    w.presentNumber(INCREMENT, low, high);
  }
  w.ascii(REQUEST_ID, requestId);
  return w.finish();
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
  while (at !== BAD && at < bytes.length) {
    const start = at;
    const tag = readTag(bytes, start, bytes.length);
    const from = endOfTag(bytes, start);
    at = endOfUnknown(bytes, from, bytes.length, tag, 0);
    if (tag !== OUTCOMES || at === BAD) continue;
    if (hasRefusal(bytes, endOfTag(bytes, from), at))
      refusals.set(outcomes, refusalIn(bytes.subarray(start, at)));
    outcomes++;
  }
  if (at === BAD || outcomes !== count) {
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

/** Whether the outcome whose fields stand between two positions has a refusal. */
function hasRefusal(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at !== BAD && at < end) {
    const tag = readTag(bytes, at, end);
    if (tag === REFUSAL) return true;
    at = endOfUnknown(bytes, endOfTag(bytes, at), end, tag, 0);
  }
  return false;
}

/** The bytes of one field `outcomes` are those of a BatchApplyResponse with that one. */
function refusalIn(bytes: Uint8Array): Refusal {
  return fromBinary(BatchApplyResponseSchema, bytes).outcomes[0]!.refusal!;
}
