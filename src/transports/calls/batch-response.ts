import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { BatchApplyResponseSchema, RefusalSchema } from "../../../gen/tally/v1/counter_service_pb.ts";
import type { OpColumns } from "../../core/columns.ts";
import { messageOf, type Refusal } from "../../core/errors.ts";
import type { Settled } from "../../service/writer.ts";
import { metadataOf, STATUS } from "../status.ts";

/** The tags of BatchApplyResponse.outcomes and of OperationOutcome's fields. */
const OUTCOMES = 0x0a;
const NAME = 0x0a;
const VALUE = 0x10;
const PREVIOUS = 0x18;
const REVISION = 0x20;
const REFUSAL = 0x2a;

/**
 * The bytes of the BatchApplyResponse to operations that were settled, straight from the columns.
 *
 * protobuf-es takes 2 microseconds an outcome, most of it for objects and BigInts that nobody looks at.
 *
 * @param ops  the operations that were submitted; only their names are read
 */
export function writeBatchResponse(ops: OpColumns, { outcomes, c, first }: Settled): Uint8Array {
  const refusals =
    outcomes.refusals.size === 0 ? undefined : refusalBytes(outcomes.refusals, first, ops.count);
  const rest = toBinary(
    BatchApplyResponseSchema,
    create(BatchApplyResponseSchema, {
      time: timestampFromMs(outcomes.times[c]!),
      replayed: outcomes.replayed[c] === 1,
    }),
  );
  const writer = new OutcomeWriter(
    ops.names.length + ops.count * OUTCOME_BYTES_MAX + (refusals?.total ?? 0) + rest.length,
  );
  const values = lanesOf(outcomes.values);
  const previous = lanesOf(outcomes.previous);
  let nameStart = 0;
  for (let i = 0; i < ops.count; i++) {
    const nameEnd = ops.nameEnds[i]!;
    const at = first + i;
    const refusal = refusals?.byOperation.get(i);
    if (refusal === undefined) {
      writer.applied(ops.names, nameStart, nameEnd, values, previous, at, outcomes.revisions[at]!);
    } else {
      writer.refused(ops.names, nameStart, nameEnd, refusal);
    }
    nameStart = nameEnd;
  }
  writer.raw(rest);
  return writer.finish();
}

/** What an outcome takes beside its name and refusal: three numbers of ten bytes, six tags, three lengths. */
const OUTCOME_BYTES_MAX = 3 * 10 + 6 + 3 * 3;

/** 64-bit numbers as pairs of 32 bits, the low one first. */
function lanesOf({ buffer, byteOffset, length }: BigInt64Array): Int32Array {
  return new Int32Array(buffer, byteOffset, 2 * length);
}

/** The Refusal messages of a call's operations, counted from the call's first. */
function refusalBytes(
  refusals: ReadonlyMap<number, Refusal>,
  first: number,
  count: number,
): { byOperation: ReadonlyMap<number, Uint8Array>; total: number } {
  const byOperation = new Map<number, Uint8Array>();
  let total = 0;
  for (let i = 0; i < count; i++) {
    const refusal = refusals.get(first + i);
    if (refusal === undefined) continue;
    const { code: reason } = refusal;
    const fields = {
      code: STATUS[reason].grpc,
      reason,
      message: messageOf(refusal),
      metadata: metadataOf(refusal),
    };
    const bytes = toBinary(RefusalSchema, create(RefusalSchema, fields));
    byOperation.set(i, bytes);
    total += bytes.length;
  }
  return { byOperation, total };
}

/** Writes outcomes one after another into room that is known to be enough. */
class OutcomeWriter {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafeSlow(capacity);
  }

  applied(
    names: Uint8Array,
    nameStart: number,
    nameEnd: number,
    values: Int32Array,
    previous: Int32Array,
    at: number,
    revision: number,
  ): void {
    const value = fieldSize(values[2 * at]!, values[2 * at + 1]!);
    const before = fieldSize(previous[2 * at]!, previous[2 * at + 1]!);
    const low = revision | 0;
    const high = Math.floor(revision / 2 ** 32);
    this.#byte(OUTCOMES);
    this.#length(textSize(nameEnd - nameStart) + value + before + fieldSize(low, high));
    this.#name(names, nameStart, nameEnd);
    if (value > 0) this.#number(VALUE, values[2 * at]!, values[2 * at + 1]!);
    if (before > 0) this.#number(PREVIOUS, previous[2 * at]!, previous[2 * at + 1]!);
    this.#number(REVISION, low, high);
  }

  refused(names: Uint8Array, nameStart: number, nameEnd: number, refusal: Uint8Array): void {
    this.#byte(OUTCOMES);
    this.#length(textSize(nameEnd - nameStart) + textSize(refusal.length));
    this.#name(names, nameStart, nameEnd);
    this.#byte(REFUSAL);
    this.#length(refusal.length);
    this.raw(refusal);
  }

  raw(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  #byte(byte: number): void {
    this.#bytes[this.#at++] = byte;
  }

  #length(length: number): void {
    let rest = length;
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#at++] = rest;
  }

  #name(names: Uint8Array, start: number, end: number): void {
    this.#byte(NAME);
    this.#length(end - start);
    const bytes = this.#bytes;
    let at = this.#at;
    for (let i = start; i < end; i++) bytes[at++] = names[i]!; // A call of set() costs more for most names.
    this.#at = at;
  }

  #number(tag: number, low: number, high: number): void {
    const bytes = this.#bytes;
    let at = this.#at;
    bytes[at++] = tag;
    let lowRest = low;
    let highRest = high;
    while (highRest !== 0 || lowRest >>> 0 >= 0x80) {
      bytes[at++] = (lowRest & 0x7f) | 0x80;
      lowRest = (lowRest >>> 7) | (highRest << 25);
      highRest >>>= 7;
    }
    bytes[at++] = lowRest;
    this.#at = at;
  }
}

/** What a number takes with its tag; 0 is left out. */
function fieldSize(low: number, high: number): number {
  if (high === 0) {
    if (low === 0) return 0;
    const rest = low >>> 0;
    return rest < 0x80 ? 2 : rest < 0x4000 ? 3 : rest < 0x200000 ? 4 : rest < 0x10000000 ? 5 : 6;
  }
  const rest = high >>> 0;
  return rest < 0x8
    ? 6
    : rest < 0x400
      ? 7
      : rest < 0x20000
        ? 8
        : rest < 0x1000000
          ? 9
          : rest < 0x80000000
            ? 10
            : 11;
}

/** What a text takes with its tag and length; at most 2^21 bytes of it. */
function textSize(length: number): number {
  return length + (length < 0x80 ? 2 : length < 0x4000 ? 3 : 4);
}
