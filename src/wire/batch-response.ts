import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { BatchApplyResponseSchema } from "../../gen/tally/v1/counter_service_pb.ts";
import type { OpColumns } from "../core/columns.ts";
import type { Refusal } from "../core/errors.ts";
import type { Settled } from "../service/call.ts";
import { highOf, lanesOf, numberSize, textSize, WireWriter } from "./writer.ts";

/** The tags of BatchApplyResponse.outcomes and of OperationOutcome's fields. */
const OUTCOMES = 0x0a;
const NAME = 0x0a;
const VALUE = 0x10;
const PREVIOUS = 0x18;
const REVISION = 0x20;
const REFUSAL = 0x2a;

/** What an outcome takes beside its name and refusal: three numbers of eleven bytes, three tags and lengths. */
const OUTCOME_BYTES_MAX = 3 * 11 + 3 * 4;

/**
 * The bytes of the BatchApplyResponse to operations that were settled, straight from the columns.
 *
 * protobuf-es takes 2 microseconds an outcome, most of it for objects and BigInts that nobody looks at.
 *
 * @param ops           the operations that were submitted; only their names are read
 * @param encodeRefusal  the bytes of the Refusal of an operation, which is at that index in the request
 */
export function writeBatchResponse(
  ops: OpColumns,
  { outcomes, c, first }: Settled,
  encodeRefusal: (refusal: Refusal, i: number) => Uint8Array,
): Uint8Array {
  const { names, nameEnds, count } = ops;
  const { revisions } = outcomes;
  const refusals = refusalBytes(outcomes.refusals, first, count, encodeRefusal);
  const rest = toBinary(
    BatchApplyResponseSchema,
    create(BatchApplyResponseSchema, {
      time: timestampFromMs(outcomes.times[c]!),
      replayed: outcomes.replayed[c] === 1,
    }),
  );
  const w = new WireWriter(names.length + count * OUTCOME_BYTES_MAX + refusals.total + rest.length);
  const values = lanesOf(outcomes.values);
  const previous = lanesOf(outcomes.previous);
  let nameStart = 0;
  for (let i = 0; i < count; i++) {
    const nameEnd = nameEnds[i]!;
    const nameSize = textSize(nameEnd - nameStart);
    const refusal = refusals.byOperation.size === 0 ? undefined : refusals.byOperation.get(i);
    if (refusal !== undefined) {
      w.begin(OUTCOMES, nameSize + textSize(refusal.length));
      w.slice(NAME, names, nameStart, nameEnd);
      w.begin(REFUSAL, refusal.length);
      w.raw(refusal);
    } else {
      const at = first + i;
      const [low, high] = [values[2 * at]!, values[2 * at + 1]!];
      const [lowBefore, highBefore] = [previous[2 * at]!, previous[2 * at + 1]!];
      const revision = revisions[at]!;
      const numbers =
        numberSize(low, high) +
        numberSize(lowBefore, highBefore) +
        numberSize(revision | 0, highOf(revision));
      w.begin(OUTCOMES, nameSize + numbers);
      w.slice(NAME, names, nameStart, nameEnd);
      w.number(VALUE, low, high);
      w.number(PREVIOUS, lowBefore, highBefore);
      w.number(REVISION, revision | 0, highOf(revision));
    }
    nameStart = nameEnd;
  }
  w.raw(rest);
  return w.finish();
}

/** The Refusal messages of a call's operations, counted from the call's first. */
function refusalBytes(
  refusals: ReadonlyMap<number, Refusal>,
  first: number,
  count: number,
  encodeRefusal: (refusal: Refusal, i: number) => Uint8Array,
): { byOperation: ReadonlyMap<number, Uint8Array>; total: number } {
  const byOperation = new Map<number, Uint8Array>();
  let total = 0;
  if (refusals.size === 0) return { byOperation, total };
  for (let i = 0; i < count; i++) {
    const refusal = refusals.get(first + i);
    if (refusal === undefined) continue;
    const bytes = encodeRefusal(refusal, i);
    byOperation.set(i, bytes);
    total += bytes.length;
  }
  return { byOperation, total };
}
