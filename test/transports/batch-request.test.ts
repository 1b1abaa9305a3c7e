import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { fc } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import { type CounterSettings, OnBound } from "../../gen/tally/v1/counter_pb.ts";
import { type BatchApplyRequest, BatchApplyRequestSchema } from "../../gen/tally/v1/counter_service_pb.ts";
import { nameReader, type OpColumns, opAt } from "../../src/core/columns.ts";
import type { Refusal } from "../../src/core/errors.ts";
import { INT64_MAX, INT64_MIN } from "../../src/core/int64.ts";
import { messageOf } from "../../src/core/messages.ts";
import { type Op, Verb } from "../../src/core/op.ts";
import { DEFAULTS, type Settings } from "../../src/core/settings.ts";
import { type BatchRequest, readBatch } from "../../src/transports/calls/batch-request.ts";
import { isWellFormed } from "../../src/wire/well-formed.ts";
import { batchBytes, lengthDelimited, operationBytes, tag, text, varint } from "./wire-bytes.ts";

const validator = createValidator({ failFast: true });

/** What protobuf-es and protovalidate make of the bytes. */
function byTheLibraries(bytes: Uint8Array): string | Meaning {
  let request: BatchApplyRequest;
  try {
    request = fromBinary(BatchApplyRequestSchema, bytes);
  } catch {
    return "MALFORMED_MESSAGE";
  }
  if (!isWellFormed(BatchApplyRequestSchema, bytes)) return "MALFORMED_MESSAGE";
  const { violations } = validator.validate(BatchApplyRequestSchema, request);
  if (violations !== undefined) {
    const [violation] = violations;
    const below = BELOW[violation!.ruleId] ?? "";
    return `INVALID_FIELD ${pathToString(violation!.field)}${below}`;
  }
  const verbs = { increment: Verb.INCREMENT, decrement: Verb.DECREMENT, set: Verb.SET, reset: Verb.RESET };
  const ops = request.operations.map(({ name, action, mustExist, etag, note, ifMissing }) => ({
    verb: verbs[action.case!],
    name,
    amount: typeof action.value === "bigint" ? action.value : 0n,
    mustExist,
    etag,
    note: note === "" ? undefined : note,
    settings: ifMissing && madeBy(ifMissing),
  }));
  return { ops, requestId: request.requestId, allOrNothing: request.allOrNothing };
}

/** The fields that rules between fields are about, below the message that has the rule. */
const BELOW: Readonly<Record<string, string>> = {
  "operation.etag_action": ".etag",
  "operation.note_action": ".note",
  "operation.if_missing": ".if_missing",
  "operation.if_missing_action": ".if_missing",
  "counter_settings.min_max": ".min",
  "counter_settings.idle_ttl": ".idle_ttl",
};

/** What the bytes above may say of a counter to be made. */
function madeBy({ initial, min, max, onBound, monotonic, description, history }: CounterSettings): Settings {
  const given = { initial, min, max, monotonic, description, history: history ?? true };
  return { ...DEFAULTS, ...given, clamp: onBound === OnBound.CLAMP };
}

interface Meaning {
  readonly ops: readonly Op[];
  readonly requestId: string | undefined;
  readonly allOrNothing: boolean;
}

function byUs(bytes: Uint8Array): string | Meaning {
  const read = readBatch(bytes);
  if ("code" in read) return read.field === undefined ? read.code : `${read.code} ${read.field}`;
  return { ops: opsOf(read.ops), requestId: read.requestId, allOrNothing: read.allOrNothing };
}

function opsOf(columns: OpColumns): Meaning["ops"] {
  const nameOf = nameReader(columns);
  return Array.from({ length: columns.count }, (_, i) => {
    return opAt(columns, i, nameOf(i));
  });
}

describe("reading a BatchApplyRequest", () => {
  it("agrees with protobuf-es and protovalidate on any bytes", async () => {
    const seen = { accepted: 0, malformed: 0, invalid: 0 };
    await fc.assert(
      fc.property(batchBytes, (bytes) => {
        const ours = byUs(bytes);
        expect(ours).toEqual(byTheLibraries(bytes));
        if (typeof ours !== "string") seen.accepted++;
        else if (ours === "MALFORMED_MESSAGE") seen.malformed++;
        else seen.invalid++;
      }),
      { numRuns: RUNS },
    );
    // Each kind often enough to mean something.
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(RUNS / 20);
  });

  it("agrees on batches of a single operation, where most of the rules are", async () => {
    const batch = operationBytes.map((operation) => Uint8Array.from(lengthDelimited(1, operation)));
    await fc.assert(
      fc.property(batch, (bytes) => {
        expect(byUs(bytes)).toEqual(byTheLibraries(bytes));
      }),
      { numRuns: RUNS },
    );
  });

  it.each([
    1n,
    127n,
    128n,
    2n ** 31n - 1n,
    2n ** 31n,
    2n ** 32n,
    2n ** 53n + 1n,
    INT64_MAX,
    INT64_MIN,
    -1n,
    0n,
  ])("keeps %s exact", (value) => {
    const read = accepted(bytesOf([{ name: "a", action: { case: "set", value } }]));
    expect(read.ops.amounts[0]).toBe(value);
  });

  it("takes 8000 operations and refuses 0 and 8001", () => {
    const operations = Array.from({ length: 8_001 }, (_, i) => increment(`c${i}`));
    expect(accepted(bytesOf(operations.slice(0, 8_000))).ops.count).toBe(8_000);
    expect(refused(bytesOf([]))).toMatchObject({ field: "operations", got: "0" });
    expect(refused(bytesOf(operations))).toMatchObject({ field: "operations", got: "8001" });
  });

  it("says where, what was expected, what was got, and that nothing was applied", () => {
    const refusal = refused(bytesOf([increment("a"), increment("bad name")]));
    expect(messageOf(refusal)).toBe(
      'operations[1].name must be 1 to 200 bytes of printable ASCII without spaces, the first not "-", got "bad name"; nothing was applied.',
    );
  });

  it("calls a message malformed before it calls a field invalid", () => {
    const invalid = lengthDelimited(1, text(1, "bad name"));
    expect(byUs(Uint8Array.from(invalid))).toBe("INVALID_FIELD operations[0].name");
    expect(byUs(Uint8Array.from([...invalid, ...tag(1, 0), ...varint(1)]))).toBe("MALFORMED_MESSAGE");
  });

  it("refuses fields of another wire type, which protobuf-es alone would misread", () => {
    const operation = [...text(1, "a"), ...tag(2, 5), 1, 0, 0, 0];
    expect(byUs(Uint8Array.from(lengthDelimited(1, operation)))).toBe("MALFORMED_MESSAGE");
  });

  it("keeps the names it read when the request's bytes are used for something else", () => {
    const bytes = bytesOf([increment("abc")]);
    const { ops } = accepted(bytes);
    bytes.fill(0);
    expect(nameReader(ops)(0)).toBe("abc");
  });
});

const RUNS = Number(process.env.FUZZ_RUNS ?? 3_000);

type OperationInit = NonNullable<Parameters<typeof create<typeof BatchApplyRequestSchema>>[1]>["operations"];

function bytesOf(operations: OperationInit): Uint8Array {
  return toBinary(BatchApplyRequestSchema, create(BatchApplyRequestSchema, { operations: operations! }));
}

function increment(name: string) {
  return { name, action: { case: "increment" as const, value: 1n } };
}

function accepted(bytes: Uint8Array): BatchRequest {
  const read = readBatch(bytes);
  if ("code" in read) throw new Error(`expected the batch to be accepted, got ${messageOf(read)}`);
  return read;
}

function refused(bytes: Uint8Array): Refusal {
  const read = readBatch(bytes);
  if (!("code" in read)) throw new Error("expected the batch to be refused, got it accepted");
  return read;
}
