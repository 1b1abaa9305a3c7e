/** The bytes that src/wire/increments.ts writes and reads by itself are those of protobuf-es. */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { fc, test } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { BatchApplyRequestSchema, BatchApplyResponseSchema } from "../../gen/tally/v1/counter_service_pb.ts";
import { decodeIncrementsAnswer, encodeIncrements } from "../../src/wire/increments.ts";

const name = fc.oneof(
  fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 200 }),
  fc.constantFrom("a", "b".repeat(127), "c".repeat(128), "d".repeat(200)),
);
const amount = fc.oneof(
  fc.integer({ min: 1, max: 300 }),
  fc.constantFrom(127, 128, 2 ** 31, 2 ** 32, 2 ** 52, Number.MAX_SAFE_INTEGER),
);

test.prop([fc.array(fc.tuple(name, amount), { minLength: 1, maxLength: 50 }), fc.uuid()])(
  "a request has the operations it was made of",
  (increments, requestId) => {
    const names = increments.map(([name]) => name);
    const amounts = increments.map(([, amount]) => amount);
    const wanted = create(BatchApplyRequestSchema, {
      operations: increments.map(([name, by]) => ({
        name,
        action: { case: "increment" as const, value: BigInt(by) },
      })),
      requestId,
    });
    expect(fromBinary(BatchApplyRequestSchema, encodeIncrements({ names, amounts }, requestId))).toEqual(
      wanted,
    );
  },
);

const int64 = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n);
const outcome = fc.record(
  {
    name,
    value: int64,
    previous: int64,
    revision: int64,
    refusal: fc.record({
      code: fc.constantFrom(11, 15),
      reason: fc.constantFrom("ABOVE_MAX", "ROW_CORRUPT"),
      message: fc.string({ unit: "grapheme", maxLength: 200 }),
      metadata: fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 }),
    }),
  },
  { requiredKeys: ["name"] },
);
const time = fc.record({ seconds: fc.bigInt(1n, 4_000_000_000n), nanos: fc.nat({ max: 999_999_999 }) });

test.prop([fc.array(outcome, { maxLength: 40 }), time])(
  "an answer's refusals are all found",
  (outcomes, time) => {
    const init: MessageInitShape<typeof BatchApplyResponseSchema> = { outcomes, time };
    const message = create(BatchApplyResponseSchema, init);
    const bytes = toBinary(BatchApplyResponseSchema, message);
    const wanted = message.outcomes.flatMap(({ refusal }, i) => (refusal ? [[i, refusal] as const] : []));
    expect([...decodeIncrementsAnswer(bytes, outcomes.length)]).toEqual(wanted);
    expect(() => decodeIncrementsAnswer(bytes, outcomes.length + 1)).toThrow("outcomes");
  },
);

it("an answer that was cut is not taken for one", () => {
  const outcomes = [{ name: "a" }, { name: "b", value: 300n }];
  const bytes = toBinary(BatchApplyResponseSchema, create(BatchApplyResponseSchema, { outcomes }));
  for (let end = 0; end < bytes.length; end++) {
    expect(() => decodeIncrementsAnswer(bytes.subarray(0, end), 2)).toThrow("outcomes");
  }
});
