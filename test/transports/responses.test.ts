import { fromBinary } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { fc } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import { BatchApplyResponseSchema, IncrementResponseSchema } from "../../gen/tally/v1/counter_service_pb.ts";
import { newOutcomes, toColumns } from "../../src/core/columns.ts";
import type { ErrorCode, Refusal } from "../../src/core/errors.ts";
import { INT64_MAX, INT64_MIN, UINT64_MAX } from "../../src/core/int64.ts";
import { messageOf } from "../../src/core/messages.ts";
import { encodeRefusal, metadataOf, STATUS } from "../../src/transports/status.ts";
import { writeBatchResponse } from "../../src/wire/batch-response.ts";
import { writeOutcomeResponse } from "../../src/wire/change.ts";
import { isWellFormed } from "../../src/wire/well-formed.ts";
import { increment } from "../support/calls.ts";

/** Just below, at and above a power of two, where varints grow. */
const edge = fc
  .tuple(fc.integer({ min: 0, max: 64 }), fc.constantFrom(-1n, 0n, 1n))
  .map(([exponent, more]) => 2n ** BigInt(exponent) + more);
const int64 = fc.oneof(
  fc.bigInt(INT64_MIN, INT64_MAX),
  edge.map((value) => BigInt.asIntN(64, value)),
  edge.map((value) => BigInt.asIntN(64, -value)),
);
const uint64 = fc.oneof(
  fc.bigInt(0n, UINT64_MAX),
  edge.map((value) => BigInt.asUintN(64, value)),
);
const revision = edge.map((value) => Math.max(1, Number(BigInt.asUintN(53, value))));
const time = fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) });
const name = fc.string({ unit: fc.constantFrom("a", "~", "9"), minLength: 1, maxLength: 200, size: "max" });

const refusal: fc.Arbitrary<Refusal> = fc.oneof(
  fc.constantFrom<Refusal>({ code: "COUNTER_NOT_FOUND" }, { code: "ROW_CORRUPT" }),
  fc.record({ code: fc.constant("ABOVE_MAX" as const), value: int64, max: int64, requested: int64 }),
  fc.record({ code: fc.constant("ETAG_MISMATCH" as const), etag: fc.uuid() }),
  fc.record({
    code: fc.constant("VALUE_OUTSIDE_BOUNDS" as const),
    field: fc.constant("ü"),
    min: int64,
    max: int64,
    requested: int64,
  }),
);

describe("the bytes of answers", () => {
  it("a batch's are what protobuf-es reads as its outcomes", async () => {
    const op = fc.record({
      name,
      value: int64,
      previous: int64,
      revision,
      refusal: fc.option(refusal, { freq: 2 }),
    });
    const batch = fc.record({
      before: fc.nat(3),
      ops: fc.array(op, { minLength: 1, maxLength: 20 }),
      time,
      replayed: fc.boolean(),
    });
    await fc.assert(
      fc.property(batch, ({ before, ops, time, replayed }) => {
        const outcomes = newOutcomes(before + ops.length, 2);
        for (const [i, op] of ops.entries()) {
          if (op.refusal !== null) outcomes.refusals.set(before + i, op.refusal);
          else {
            outcomes.values[before + i] = op.value;
            outcomes.previous[before + i] = op.previous;
            outcomes.revisions[before + i] = op.revision;
          }
        }
        outcomes.times[1] = time;
        outcomes.replayed[1] = replayed ? 1 : 0;
        const columns = toColumns(ops.map(({ name }) => increment(name)));
        const settled = { outcomes, c: 1, first: before, end: before + ops.length };
        const bytes = writeBatchResponse(columns, settled, encodeRefusal);
        expect(isWellFormed(BatchApplyResponseSchema, bytes)).toBe(true); // protobuf-es overlooks a wrong length.
        const response = fromBinary(BatchApplyResponseSchema, bytes);
        expect(timestampMs(response.time!)).toBe(time);
        expect(response.replayed).toBe(replayed);
        expect(response.outcomes).toMatchObject(
          ops.map(({ name, value, previous, revision, refusal }) =>
            refusal === null
              ? { name, value, previous, revision: BigInt(revision) }
              : {
                  name,
                  value: 0n,
                  previous: 0n,
                  revision: 0n,
                  refusal: {
                    code: STATUS[refusal.code].grpc,
                    reason: refusal.code,
                    message: messageOf(refusal),
                    metadata: metadataOf(refusal),
                  },
                },
          ),
        );
        expect(response.outcomes.map((outcome) => outcome.refusal !== undefined)).toEqual(
          ops.map(({ refusal }) => refusal !== null),
        );
        expect(response.$unknown).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  it("a single operation's are what protobuf-es reads as its Outcome", async () => {
    const op = fc.record({
      name,
      value: int64,
      previous: int64,
      revision,
      uid: fc.uuid(),
      time,
      up: uint64,
      down: uint64,
      replayed: fc.boolean(),
    });
    await fc.assert(
      fc.property(op, ({ name, value, previous, revision, uid, time, up, down, replayed }) => {
        const outcomes = newOutcomes(2, 2);
        outcomes.values[1] = value;
        outcomes.previous[1] = previous;
        outcomes.revisions[1] = revision;
        outcomes.uids[1] = uid;
        outcomes.times[1] = time;
        outcomes.replayed[1] = replayed ? 1 : 0;
        outcomes.headroomUp[1] = up;
        outcomes.headroomDown[1] = down;
        const bytes = writeOutcomeResponse(name, { outcomes, c: 1, first: 1, end: 2 });
        expect(isWellFormed(IncrementResponseSchema, bytes)).toBe(true);
        expect(fromBinary(IncrementResponseSchema, bytes).outcome).toEqual({
          $typeName: "tally.v1.Outcome",
          name,
          value,
          previous,
          revision: BigInt(revision),
          etag: `${uid}.${revision}`,
          time: timestampFromMs(time),
          replayed,
          ...(!replayed && { headroomUp: up, headroomDown: down }),
        });
      }),
      { numRuns: 500 },
    );
  });

  it.each<ErrorCode>([
    "ABOVE_MAX",
    "BELOW_MIN",
    "VALUE_OUTSIDE_BOUNDS",
    "CONSTRAINT_VIOLATED",
    "MONOTONIC",
    "ETAG_MISMATCH",
    "COUNTER_NOT_FOUND",
    "ROW_CORRUPT",
  ])(
    "8000 operations on names of 200 bytes, all refused with %s, fit a client's default of 4 MiB",
    (code) => {
      const count = 8_000;
      const widest: Refusal = {
        code,
        ...(code === "ETAG_MISMATCH" && { etag: "e".repeat(64) }),
        ...(code === "VALUE_OUTSIDE_BOUNDS" && { field: "value" }),
        ...(code === "CONSTRAINT_VIOLATED" && { constraint: "c".repeat(63) }),
        ...(code !== "ETAG_MISMATCH" &&
          code !== "CONSTRAINT_VIOLATED" &&
          code !== "COUNTER_NOT_FOUND" && {
            value: INT64_MIN,
            requested: INT64_MIN,
            min: INT64_MIN,
            max: INT64_MIN,
          }),
      };
      const outcomes = newOutcomes(count, 1);
      for (let i = 0; i < count; i++) outcomes.refusals.set(i, widest);
      const columns = toColumns(Array.from({ length: count }, () => increment("n".repeat(200))));
      const bytes = writeBatchResponse(columns, { outcomes, c: 0, first: 0, end: count }, encodeRefusal);
      expect(bytes.length).toBeLessThan(4 * 2 ** 20);
      expect(fromBinary(BatchApplyResponseSchema, bytes).outcomes).toHaveLength(count);
    },
  );
});
