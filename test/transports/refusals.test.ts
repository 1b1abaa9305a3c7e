import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { OnBound } from "../../gen/tally/v1/counter_pb.ts";
import {
  BatchApplyRequestSchema,
  CounterService,
  OperationSchema,
  type TopOrder,
} from "../../gen/tally/v1/counter_service_pb.ts";
import { ErrorReasonSchema } from "../../gen/tally/v1/error_reason_pb.ts";
import { CORRUPT } from "../../src/core/batch.ts";
import { type ErrorCode, type Refusal, TallyError } from "../../src/core/errors.ts";
import { INT64_MAX, INT64_MIN } from "../../src/core/int64.ts";
import { messageOf } from "../../src/core/messages.ts";
import type { Writer } from "../../src/service/writer.ts";
import { FIELD_RULES } from "../../src/transports/calls/shape.ts";
import { STATUS } from "../../src/transports/status.ts";
import { type Client, instead, open, type Refused, refusal } from "./door.ts";
import { send } from "./http.ts";

/** Goal: whatever is refused tells why, with the same numbers in text and metadata, decoded by a real client. */

describe("what the rule refuses", () => {
  const cases: [string, (client: Client) => Promise<unknown>, Partial<Refused>][] = [
    [
      "an increment above the maximum",
      (client) => client.increment({ name: "bounded", amount: 96n }),
      {
        status: "OUT_OF_RANGE",
        reason: "ABOVE_MAX",
        message: "5 + 96 is above the maximum 100; the value stays 5.",
        metadata: { name: "bounded", value: "5", max: "100", requested: "96" },
      },
    ],
    [
      "an increment above what int64 holds",
      (client) => client.increment({ name: "top", amount: INT64_MAX }),
      {
        status: "OUT_OF_RANGE",
        reason: "ABOVE_MAX",
        metadata: { name: "top", value: `${INT64_MAX}`, max: `${INT64_MAX}`, requested: `${INT64_MAX}` },
      },
    ],
    [
      "a decrement below the minimum",
      (client) => client.decrement({ name: "bounded", amount: 16n }),
      {
        status: "OUT_OF_RANGE",
        reason: "BELOW_MIN",
        metadata: { name: "bounded", value: "5", min: "-10", requested: "16" },
      },
    ],
    [
      "a set outside the bounds",
      (client) => client.set({ name: "bounded", value: 101n }),
      {
        status: "OUT_OF_RANGE",
        reason: "VALUE_OUTSIDE_BOUNDS",
        metadata: { name: "bounded", field: "value", min: "-10", max: "100", requested: "101" },
      },
    ],
    [
      "a creation whose initial value is outside the bounds",
      (client) => client.createCounter({ name: "new", initial: 1n, max: 0n, value: 0n }),
      {
        status: "OUT_OF_RANGE",
        reason: "VALUE_OUTSIDE_BOUNDS",
        metadata: { name: "new", field: "initial", max: "0", requested: "1" },
      },
    ],
    [
      "an update to bounds that the value is outside of",
      (client) => client.updateCounter({ name: "bounded", max: 4n }),
      {
        status: "OUT_OF_RANGE",
        reason: "VALUE_OUTSIDE_BOUNDS",
        message: "value 5 is outside the bounds -10 to 4; nothing was changed.",
        metadata: { name: "bounded", field: "value", min: "-10", max: "4", requested: "5" },
      },
    ],
    [
      "an update that leaves min above max",
      (client) => client.updateCounter({ name: "bounded", min: 101n }),
      {
        status: "OUT_OF_RANGE",
        reason: "VALUE_OUTSIDE_BOUNDS",
        metadata: { name: "bounded", field: "value", min: "101", max: "100", requested: "5" },
      },
    ],
    [
      "an update of a missing counter",
      (client) => client.updateCounter({ name: "missing", max: 4n }),
      { status: "NOT_FOUND", reason: "COUNTER_NOT_FOUND", metadata: { name: "missing" } },
    ],
    [
      "a deletion of a missing counter",
      (client) => client.deleteCounter({ name: "missing" }),
      { status: "NOT_FOUND", reason: "COUNTER_NOT_FOUND", metadata: { name: "missing" } },
    ],
    [
      "a read of a missing counter",
      (client) => client.getCounter({ name: "missing" }),
      { status: "NOT_FOUND", reason: "COUNTER_NOT_FOUND", metadata: { name: "missing" } },
    ],
    [
      "a decrement of a missing counter",
      (client) => client.decrement({ name: "missing" }),
      { status: "NOT_FOUND", reason: "COUNTER_NOT_FOUND", metadata: { name: "missing" } },
    ],
    [
      "an increment of a missing counter that must exist",
      (client) => client.increment({ name: "missing", mustExist: true }),
      { status: "NOT_FOUND", reason: "COUNTER_NOT_FOUND", metadata: { name: "missing" } },
    ],
    [
      "a second creation",
      (client) => client.createCounter({ name: "bounded" }),
      { status: "ALREADY_EXISTS", reason: "COUNTER_EXISTS", metadata: { name: "bounded" } },
    ],
    [
      "a decrement of a monotonic counter",
      (client) => client.decrement({ name: "monotonic" }),
      { status: "FAILED_PRECONDITION", reason: "MONOTONIC", metadata: { name: "monotonic", value: "5" } },
    ],
    [
      "a lower set of a monotonic counter",
      (client) => client.set({ name: "monotonic", value: 4n }),
      {
        status: "FAILED_PRECONDITION",
        reason: "MONOTONIC",
        metadata: { name: "monotonic", value: "5", requested: "4" },
      },
    ],
    [
      "a request id used for another amount",
      (client) => client.increment({ name: "bounded", amount: 2n, requestId: "used" }),
      { status: "INVALID_ARGUMENT", reason: "REQUEST_ID_REUSED", metadata: { field: "amount" } },
    ],
  ];

  it.each(cases)("%s", async (_, call, expected) => {
    await using opened = await open();
    const { client } = opened;
    await client.createCounter({ name: "bounded", value: 4n, min: -10n, max: 100n });
    await client.increment({ name: "bounded", requestId: "used" });
    await client.createCounter({ name: "monotonic", value: 5n, monotonic: true });
    await client.set({ name: "top", value: INT64_MAX });
    expect(await refusal(call(client))).toMatchObject(expected);
    expect((await client.getCounter({ name: "bounded" })).counter?.value).toBe(5n);
  });

  it("a settings_etag that has gone, with the one that is now", async () => {
    await using opened = await open();
    const { client } = opened;
    const { counter } = await client.createCounter({ name: "a" });
    const { counter: after } = await client.updateCounter({ name: "a", max: 9n });
    const late = { name: "a", max: 8n, settingsEtag: counter!.settingsEtag };
    expect(await refusal(client.updateCounter(late))).toMatchObject({
      status: "ABORTED",
      reason: "ETAG_MISMATCH",
      message: expect.stringContaining("settings_etag"),
      metadata: { name: "a", settings_etag: after!.settingsEtag },
    });
  });

  it("an etag that has gone, with the one that is now", async () => {
    await using opened = await open();
    const { client } = opened;
    const { outcome: first } = await client.increment({ name: "a" });
    const { outcome: second } = await client.increment({ name: "a" });
    expect(await refusal(client.set({ name: "a", value: 0n, etag: first!.etag }))).toMatchObject({
      status: "ABORTED",
      reason: "ETAG_MISMATCH",
      metadata: { name: "a", etag: second!.etag },
    });
  });
});

describe("what the shape of a request refuses", () => {
  const cases: [string, (client: Client) => Promise<unknown>, string, string][] = [
    ["an empty name", (client) => client.increment({ name: "" }), "name", 'got ""'],
    ["a name that begins with -", (client) => client.getCounter({ name: "-a" }), "name", 'got "-a"'],
    ["a name with a space", (client) => client.reset({ name: "a b" }), "name", 'got "a b"'],
    ["a name of 201 bytes", (client) => client.increment({ name: "n".repeat(201) }), "name", "(201 bytes)"],
    ["an amount of 0", (client) => client.increment({ name: "a", amount: 0n }), "amount", "got 0"],
    [
      "a negative amount",
      (client) => client.decrement({ name: "a", amount: INT64_MIN }),
      "amount",
      `got ${INT64_MIN}`,
    ],
    ["a set without a value", (client) => client.set({ name: "a" }), "value", "must be given"],
    [
      "an empty request id",
      (client) => client.increment({ name: "a", requestId: "" }),
      "request_id",
      'got ""',
    ],
    [
      "a long request id",
      (client) => client.reset({ name: "a", requestId: "i".repeat(65) }),
      "request_id",
      "(65 bytes)",
    ],
    ["an etag with a line break", (client) => client.reset({ name: "a", etag: "x\n" }), "etag", 'got "x\\n"'],
    [
      "a note of 201 bytes",
      (client) => client.set({ name: "a", value: 1n, note: `${"ü".repeat(100)}x` }),
      "note",
      "(201 bytes)",
    ],
    [
      "bounds upside down",
      (client) => client.createCounter({ name: "a", min: 2n, max: 1n }),
      "min",
      "must not be above max, got 2",
    ],
    [
      "an update of nothing",
      (client) => client.updateCounter({ name: "a", labels: {} }),
      "update_mask",
      "must name a setting, or one must be given",
    ],
    [
      "an update of what is no setting",
      (client) => client.updateCounter({ name: "a", max: 1n, updateMask: { paths: ["max", "value"] } }),
      "update_mask",
      'may name fields of CounterSettings, got "value"',
    ],
    [
      "an update of a part of the labels",
      (client) => client.updateCounter({ name: "a", updateMask: { paths: [`labels.${"x".repeat(300)}`] } }),
      "update_mask",
      "(307 bytes)",
    ],
    [
      "an update of bounds, upside down",
      (client) => client.updateCounter({ name: "a", min: 2n, max: 1n }),
      "min",
      "must not be above max, got 2",
    ],
    [
      "an update with an empty settings_etag",
      (client) => client.updateCounter({ name: "a", max: 1n, settingsEtag: "" }),
      "settings_etag",
      'got ""',
    ],
    [
      "an unknown way at a bound",
      (client) => client.createCounter({ name: "a", onBound: 999 as OnBound }),
      "on_bound",
      "got 999",
    ],
    [
      "a label key in capitals",
      (client) => client.createCounter({ name: "a", labels: { A: "1" } }),
      'labels["A"]',
      "must have a key",
    ],
    [
      "a long label value",
      (client) => client.createCounter({ name: "a", labels: { a: "x".repeat(201) } }),
      'labels["a"]',
      "(201 bytes)",
    ],
    [
      "33 labels",
      (client) =>
        client.createCounter({
          name: "a",
          labels: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`k${i}`, ""])),
        }),
      "labels",
      "got 33",
    ],
    [
      "a description of 1001 bytes",
      (client) => client.createCounter({ name: "a", description: "d".repeat(1001) }),
      "description",
      "(1001 bytes)",
    ],
    ["a read of no names", (client) => client.batchGetCounters({}), "names", "got 0"],
    [
      "a read of 1001 names",
      (client) => client.batchGetCounters({ names: Array(1_001).fill("a") }),
      "names",
      "must be 1 to 1000, got 1001",
    ],
    [
      "a read of names, one of them with a space",
      (client) => client.batchGetCounters({ names: ["a", "a b"] }),
      "names[1]",
      'got "a b"',
    ],
    [
      "a list of a prefix that no name has",
      (client) => client.listCounters({ prefix: "ü" }),
      "prefix",
      "must be at most 200 bytes of printable ASCII",
    ],
    ["a page of 0", (client) => client.listCounters({ pageSize: 0 }), "page_size", "got 0"],
    ["a page of 1001", (client) => client.listCounters({ pageSize: 1_001 }), "page_size", "got 1001"],
    [
      "a page token that nobody was given",
      (client) => client.listCounters({ pageToken: "AAAA" }),
      "page_token",
      "must be the next_page_token of a list",
    ],
    [
      "a page token with a space",
      (client) => client.listCounters({ pageToken: "A A" }),
      "page_token",
      'got "A A"',
    ],
    ["a ranking of 0", (client) => client.topCounters({ n: 0 }), "n", "must be 1 to 1000, got 0"],
    ["a ranking of 1001", (client) => client.topCounters({ n: 1_001 }), "n", "got 1001"],
    [
      "a ranking in an unknown order",
      (client) => client.topCounters({ order: 7 as TopOrder }),
      "order",
      "must be TOP_ORDER_HIGHEST or TOP_ORDER_LOWEST, got 7",
    ],
    [
      "a sum over a label in capitals",
      (client) => client.sumCounters({ labels: { A: "1" } }),
      'labels["A"]',
      "must have a key",
    ],
    ["a batch of nothing", (client) => client.batchApply({}), "operations", "got 0"],
    [
      "an operation without an action",
      (client) => client.batchApply({ operations: [add("a"), { name: "b" }] }),
      "operations[1].action",
      "must be one of",
    ],
    [
      "an operation with an amount of 0",
      (client) => client.batchApply({ operations: [add("a"), add("b", 0n)] }),
      "operations[1].increment",
      "got 0",
    ],
    [
      "an operation with reset: false",
      (client) => client.batchApply({ operations: [{ name: "a", action: { case: "reset", value: false } }] }),
      "operations[0].reset",
      "got false",
    ],
    [
      "an increment with an etag",
      (client) => client.batchApply({ operations: [{ ...add("a"), etag: "e" }] }),
      "operations[0].etag",
      "is for set and reset only",
    ],
    [
      "an increment with a note",
      (client) => client.batchApply({ operations: [{ ...add("a"), note: "n" }] }),
      "operations[0].note",
      "is for set and reset only",
    ],
    [
      "a batch with a bad request id",
      (client) => client.batchApply({ operations: [add("a")], requestId: "a b" }),
      "request_id",
      'got "a b"',
    ],
  ];

  it.each(cases)("%s", async (_, call, field, says) => {
    await using opened = await open();
    const { client } = opened;
    const refused = await refusal(call(client));
    expect(refused).toMatchObject({
      status: "INVALID_ARGUMENT",
      reason: "INVALID_FIELD",
      metadata: { field },
    });
    expect(refused.badRequest?.fieldViolations).toMatchObject([{ field }]);
    expect(refused.badRequest?.fieldViolations[0]?.description).toContain(says);
    expect(refused.message).toBe(
      `${field} ${refused.badRequest!.fieldViolations[0]!.description}; nothing was applied.`,
    );
    expect(Buffer.byteLength(refused.message)).toBeLessThanOrEqual(200);
    expect(await refusal(client.getCounter({ name: "a" }))).toMatchObject({ reason: "COUNTER_NOT_FOUND" });
  });

  it("has words for every rule in the .proto files", () => {
    const ruled = [...CounterService.methods.map(({ input }) => input), OperationSchema]
      .flatMap(({ fields }) => fields)
      .filter(({ proto }) => proto.options?.$unknown);
    expect(ruled.map(({ name }) => name).filter((name) => !(name in FIELD_RULES))).toEqual([]);
    expect(ruled.length).toBeGreaterThan(20);
  });

  it("shows a hostile value shortened, escaped and in 200 bytes", async () => {
    await using opened = await open();
    const value = '\u0000\u{1f600}"\\\u202e'.repeat(5_000);
    const refused = await refusal(opened.client.batchApply({ operations: [add(value)] }));
    expect(Buffer.byteLength(refused.message)).toBeLessThanOrEqual(200);
    expect(refused.message).toContain('"\\u0000');
  });
});

describe("what is not the caller's doing", () => {
  const REFUSALS: Record<ErrorCode, Refusal & { status: string; metadata?: Record<string, string> }> = {
    MALFORMED_MESSAGE: { code: "MALFORMED_MESSAGE", status: "INVALID_ARGUMENT" },
    INVALID_FIELD: {
      code: "INVALID_FIELD",
      status: "INVALID_ARGUMENT",
      field: "x",
      expected: "must be y",
      metadata: { field: "x" },
    },
    MESSAGE_TOO_LARGE: {
      code: "MESSAGE_TOO_LARGE",
      status: "RESOURCE_EXHAUSTED",
      requested: 9n,
      max: 8n,
      metadata: { size: "9", max_size: "8" },
    },
    REQUEST_ID_REUSED: {
      code: "REQUEST_ID_REUSED",
      status: "INVALID_ARGUMENT",
      field: "amount",
      metadata: { field: "amount" },
    },
    COUNTER_NOT_FOUND: { code: "COUNTER_NOT_FOUND", status: "NOT_FOUND", metadata: { name: "a" } },
    COUNTER_EXISTS: { code: "COUNTER_EXISTS", status: "ALREADY_EXISTS", metadata: { name: "a" } },
    ETAG_MISMATCH: {
      code: "ETAG_MISMATCH",
      status: "ABORTED",
      etag: "e.1",
      metadata: { name: "a", etag: "e.1" },
    },
    ZONE_UNKNOWN: {
      code: "ZONE_UNKNOWN",
      status: "FAILED_PRECONDITION",
      zone: "America/Argentina/ComodRivadavia",
      metadata: { name: "a", zone: "America/Argentina/ComodRivadavia" },
    },
    SETTINGS_CONFLICT: {
      code: "SETTINGS_CONFLICT",
      status: "FAILED_PRECONDITION",
      field: "refill",
      expected: "does not go with window",
      metadata: { name: "a", field: "refill" },
    },
    POLICY_NOT_FOUND: {
      code: "POLICY_NOT_FOUND",
      status: "NOT_FOUND",
      expected: "No policy is for this name",
      metadata: { name: "a" },
    },
    TOO_MANY_POLICIES: {
      code: "TOO_MANY_POLICIES",
      status: "FAILED_PRECONDITION",
      max: 10_000n,
      metadata: { max: "10000" },
    },
    POLICIES_NOT_KEPT: { code: "POLICIES_NOT_KEPT", status: "FAILED_PRECONDITION" },
    MONOTONIC: {
      code: "MONOTONIC",
      status: "FAILED_PRECONDITION",
      value: 2n,
      requested: 1n,
      metadata: { name: "a", value: "2", requested: "1" },
    },
    ABOVE_MAX: {
      code: "ABOVE_MAX",
      status: "OUT_OF_RANGE",
      value: 2n,
      max: 2n,
      requested: 1n,
      metadata: { name: "a", value: "2", max: "2", requested: "1" },
    },
    BELOW_MIN: {
      code: "BELOW_MIN",
      status: "OUT_OF_RANGE",
      value: 2n,
      min: 2n,
      requested: 1n,
      metadata: { name: "a", value: "2", min: "2", requested: "1" },
    },
    VALUE_OUTSIDE_BOUNDS: {
      code: "VALUE_OUTSIDE_BOUNDS",
      status: "OUT_OF_RANGE",
      field: "value",
      min: 1n,
      max: 2n,
      requested: 3n,
      metadata: { name: "a", field: "value", min: "1", max: "2", requested: "3" },
    },
    CONSTRAINT_VIOLATED: {
      code: "CONSTRAINT_VIOLATED",
      status: "FAILED_PRECONDITION",
      constraint: "below_100",
      metadata: { name: "a", constraint: "below_100" },
    },
    ROW_CORRUPT: {
      code: "ROW_CORRUPT",
      status: "DATA_LOSS",
      part: "request_id",
      metadata: { name: "a", part: "request_id" },
    },
    QUEUE_FULL: { code: "QUEUE_FULL", status: "RESOURCE_EXHAUSTED", retryAfterMs: 100 },
    REQUEST_IDS_FULL: { code: "REQUEST_IDS_FULL", status: "RESOURCE_EXHAUSTED", retryAfterMs: 61_500 },
    DEADLINE_PASSED: { code: "DEADLINE_PASSED", status: "DEADLINE_EXCEEDED" },
    CALL_CANCELLED: { code: "CALL_CANCELLED", status: "CANCELLED" },
    DRAINING: { code: "DRAINING", status: "UNAVAILABLE" },
    STORE_UNAVAILABLE: { code: "STORE_UNAVAILABLE", status: "UNAVAILABLE" },
    OUTCOME_UNKNOWN: { code: "OUTCOME_UNKNOWN", status: "UNAVAILABLE" },
    INTERNAL_ERROR: { code: "INTERNAL_ERROR", status: "INTERNAL" },
    REPLY_TOO_LARGE: {
      code: "REPLY_TOO_LARGE",
      status: "RESOURCE_EXHAUSTED",
      max: 8n,
      metadata: { max_size: "8" },
    },
    PATH_NOT_FOUND: { code: "PATH_NOT_FOUND", status: "NOT_FOUND" },
    METHOD_NOT_ALLOWED: {
      code: "METHOD_NOT_ALLOWED",
      status: "UNIMPLEMENTED",
      expected: "use GET",
      got: "PUT",
    },
    MEDIA_TYPE_NOT_SUPPORTED: {
      code: "MEDIA_TYPE_NOT_SUPPORTED",
      status: "INVALID_ARGUMENT",
      expected: "must be application/json",
      got: "text/plain",
    },
    ORIGIN_NOT_ALLOWED: {
      code: "ORIGIN_NOT_ALLOWED",
      status: "PERMISSION_DENIED",
      got: "https://a.example",
    },
    HOST_NOT_ALLOWED: { code: "HOST_NOT_ALLOWED", status: "PERMISSION_DENIED", got: "a.example" },
    PRECONDITION_FAILED: {
      code: "PRECONDITION_FAILED",
      status: "FAILED_PRECONDITION",
      etag: "e.1.s1",
      metadata: { etag: "e.1.s1" },
    },
    ENCODING_NOT_SUPPORTED: {
      code: "ENCODING_NOT_SUPPORTED",
      status: "UNIMPLEMENTED",
      expected: "supported encodings are gzip,br",
      got: "zstd",
    },
    PERMISSION_DENIED: {
      code: "PERMISSION_DENIED",
      status: "PERMISSION_DENIED",
      expected: "it has other names",
      permission: "read",
      prefixes: ["shop.", "x:"],
      metadata: { name: "a", permission: "read", prefixes: "shop. x:" },
    },
    CREDENTIAL_MISSING: { code: "CREDENTIAL_MISSING", status: "UNAUTHENTICATED" },
    CREDENTIAL_INVALID: { code: "CREDENTIAL_INVALID", status: "UNAUTHENTICATED" },
    CREDENTIAL_AMBIGUOUS: { code: "CREDENTIAL_AMBIGUOUS", status: "UNAUTHENTICATED" },
    CREDENTIAL_EXPIRED: { code: "CREDENTIAL_EXPIRED", status: "UNAUTHENTICATED" },
    CREDENTIAL_REVOKED: { code: "CREDENTIAL_REVOKED", status: "UNAUTHENTICATED" },
    RATE_LIMITED: { code: "RATE_LIMITED", status: "RESOURCE_EXHAUSTED", retryAfterMs: 200 },
    AUTH_UNAVAILABLE: { code: "AUTH_UNAVAILABLE", status: "UNAVAILABLE" },
    AUTH_STALE: { code: "AUTH_STALE", status: "UNAVAILABLE" },
    AUTH_OFF: { code: "AUTH_OFF", status: "UNIMPLEMENTED" },
    PRINCIPAL_NOT_FOUND: { code: "PRINCIPAL_NOT_FOUND", status: "NOT_FOUND" },
    PRINCIPAL_EXISTS: { code: "PRINCIPAL_EXISTS", status: "ALREADY_EXISTS" },
    TOO_MANY_PRINCIPALS: {
      code: "TOO_MANY_PRINCIPALS",
      status: "FAILED_PRECONDITION",
      max: 100_000n,
      metadata: { max: "100000" },
    },
    API_KEY_NOT_FOUND: { code: "API_KEY_NOT_FOUND", status: "NOT_FOUND" },
    TOO_MANY_KEYS: {
      code: "TOO_MANY_KEYS",
      status: "FAILED_PRECONDITION",
      max: 50n,
      metadata: { max: "50" },
    },
    BINDING_NOT_FOUND: { code: "BINDING_NOT_FOUND", status: "NOT_FOUND" },
    BINDING_EXISTS: { code: "BINDING_EXISTS", status: "ALREADY_EXISTS" },
    LIMIT_NOT_FOUND: { code: "LIMIT_NOT_FOUND", status: "NOT_FOUND", metadata: { name: "a" } },
    HISTORY_OFF: { code: "HISTORY_OFF", status: "FAILED_PRECONDITION", expected: "nobody keeps any" },
    HISTORY_EXPIRED: {
      code: "HISTORY_EXPIRED",
      status: "OUT_OF_RANGE",
      oldest: Date.UTC(2026, 2, 1),
      expected: "ask from then on",
      metadata: { oldest: "2026-03-01T00:00:00Z" },
    },
    HISTORY_TOO_LARGE: {
      code: "HISTORY_TOO_LARGE",
      status: "RESOURCE_EXHAUSTED",
      max: 9n,
      part: "points",
      expected: "ask for fewer",
      metadata: { max: "9" },
    },
    NOT_ONE_MESSAGE: { code: "NOT_ONE_MESSAGE", status: "UNIMPLEMENTED", expected: "must be one" },
    COMPRESSION_UNSAID: { code: "COMPRESSION_UNSAID", status: "INTERNAL", expected: "is compressed" },
    BACKUP_UNSUPPORTED: {
      code: "BACKUP_UNSUPPORTED",
      status: "FAILED_PRECONDITION",
      expected: "PostgreSQL's own means do it: pg_basebackup, or pg_dump",
    },
    BACKUP_FAILED: { code: "BACKUP_FAILED", status: "FAILED_PRECONDITION", expected: "there is no room" },
    VERIFY_UNSUPPORTED: {
      code: "VERIFY_UNSUPPORTED",
      status: "FAILED_PRECONDITION",
      expected: "PostgreSQL's own means do it: pg_amcheck",
    },
    VERIFY_FAILED: { code: "VERIFY_FAILED", status: "FAILED_PRECONDITION", expected: "another one runs" },
  };

  it.each(Object.values(REFUSALS))(
    "$code is $status, with its numbers",
    async ({ status, metadata = {}, ...given }) => {
      await using opened = await open({ writer: () => writerThat(() => Promise.resolve(given)) });
      const refused = await refusal(opened.client.increment({ name: "a" }));
      expect(refused).toMatchObject({ status, reason: given.code, message: messageOf(given) });
      expect(refused.metadata).toEqual(metadata);
      expect(refused.retryMs).toBe(given.retryAfterMs);
    },
  );

  it("covers every reason that the API lists", () => {
    const listed = ErrorReasonSchema.values
      .map(({ name }) => name)
      .filter((name) => !["ERROR_REASON_UNSPECIFIED", "UNAUTHENTICATED"].includes(name));
    expect(Object.keys(REFUSALS)).toEqual(listed);
    expect(Object.keys(STATUS)).toEqual(listed);
  });

  it.each(["STORE_UNAVAILABLE", "OUTCOME_UNKNOWN"] as const)("a store that fails with %s", async (code) => {
    const failure = new TallyError(code, "disk I/O error on /secret/path", { cause: new Error("EIO") });
    await using opened = await open({
      store: (real) => instead(real, { commit: () => Promise.reject(failure) }),
    });
    const refused = await refusal(opened.client.increment({ name: "a" }));
    expect(refused).toMatchObject({ status: "UNAVAILABLE", reason: code });
    expect(refused.message).not.toContain("secret");
    expect(opened.logged).toEqual([]); // Its finder has logged it.
  });

  it("a defect before anything was applied is INTERNAL_ERROR, logged, its text kept from the caller", async () => {
    const writer = writerThat(() => {
      throw new TypeError("secret");
    });
    await using opened = await open({ writer: () => writer });
    const refused = await refusal(opened.client.increment({ name: "a" }));
    expect(refused).toMatchObject({ status: "INTERNAL", reason: "INTERNAL_ERROR" });
    expect(refused.message).not.toContain("secret");
    expect(opened.logged).toMatchObject([{ event: "grpc.handler_failed", fields: { method: "Increment" } }]);
    expect(await refusal(opened.client.increment({ name: "a" }))).toMatchObject({ reason: "INTERNAL_ERROR" });
  });

  it("a defect once the change is on its way is OUTCOME_UNKNOWN, because nobody can say more", async () => {
    await using opened = await open({
      writer: () => writerThat(() => Promise.reject(new TypeError("secret"))),
    });
    expect(await refusal(opened.client.increment({ name: "a" }))).toMatchObject({
      status: "UNAVAILABLE",
      reason: "OUTCOME_UNKNOWN",
    });
    expect(opened.logged).toHaveLength(1);
  });

  it("a defect in a read is INTERNAL_ERROR, and a failed store is told as such", async () => {
    let error: Error = new TypeError("secret");
    await using opened = await open({
      store: (real) => instead(real, { get: () => Promise.reject(error) }),
    });
    expect(await refusal(opened.client.getCounter({ name: "a" }))).toMatchObject({
      reason: "INTERNAL_ERROR",
    });
    error = new TallyError("STORE_UNAVAILABLE", "closed");
    const message = "The store could not be read just now; nothing was changed. Ask again."; // And of no request id.
    const unavailable = { reason: "STORE_UNAVAILABLE", message };
    expect(await refusal(opened.client.getCounter({ name: "a" }))).toMatchObject(unavailable);
    const { status, json } = await send(opened.door.port, { path: "/v1/counters/a" });
    expect([status, json]).toMatchObject([503, { error: { message } }]);
  });

  it("a damaged row is ROW_CORRUPT to read, and others are not harmed", async () => {
    await using opened = await open({
      store: (real) =>
        instead(real, {
          get: async (names) =>
            (await real.get(names)).map((found, i) => (names[i] === "bad" ? CORRUPT : found)),
        }),
    });
    const { client } = opened;
    await client.increment({ name: "good" });
    const [bad, good] = await Promise.all([
      refusal(client.getCounter({ name: "bad" })),
      client.getCounter({ name: "good" }),
    ]);
    expect(bad).toMatchObject({
      status: "DATA_LOSS",
      reason: "ROW_CORRUPT",
      metadata: { name: "bad", part: "counter" },
    });
    expect(good.counter?.value).toBe(1n);
  });
});

it("where what leads to counters is damaged, a read of many says so, and names none", async () => {
  await using opened = await open({
    store: (real) =>
      instead(real, {
        list: () =>
          Promise.reject(
            new TallyError("ROW_CORRUPT", "SQLite finds the file damaged", { part: "counters" }),
          ),
      }),
  });
  expect(await refusal(opened.client.listCounters({}))).toMatchObject({
    ...{ status: "DATA_LOSS", reason: "ROW_CORRUPT", metadata: { part: "counters" } },
    message: expect.stringContaining("nobody can tell which are missing"),
  });
});

describe("the size of a message", () => {
  it("is refused by us, with both sizes, up to what grpc-js lets through", async () => {
    await using opened = await open({ limits: { unaryBytesMax: 1_000, batchBytesMax: 5_000 } });
    const { client } = opened;
    const large = toBinary(
      BatchApplyRequestSchema,
      create(BatchApplyRequestSchema, { operations: Array.from({ length: 700 }, () => add("counter")) }),
    );
    expect(await refusal(client.raw("/tally.v1.CounterService/BatchApply", large))).toMatchObject({
      status: "RESOURCE_EXHAUSTED",
      reason: "MESSAGE_TOO_LARGE",
      metadata: { size: `${large.length}`, max_size: "5000" },
    });
    for (const { name } of CounterService.methods) {
      const max = name.startsWith("Batch") ? 5_000 : 1_000;
      const path = `/tally.v1.CounterService/${name}`;
      expect(await refusal(client.raw(path, new Uint8Array(max + 1)))).toMatchObject({
        reason: "MESSAGE_TOO_LARGE",
        metadata: { size: `${max + 1}`, max_size: `${max}` },
      });
    }
  });

  it("at the limit is accepted", async () => {
    await using opened = await open({ limits: { unaryBytesMax: 3 } });
    await opened.client.increment({ name: "a" });
    expect(await refusal(opened.client.increment({ name: "ab" }))).toMatchObject({
      reason: "MESSAGE_TOO_LARGE",
    });
  });
});

function add(name: string, value = 1n) {
  return { name, action: { case: "increment" as const, value } } satisfies Parameters<
    typeof create<typeof OperationSchema>
  >[1];
}

function writerThat(submit: () => unknown): Writer {
  return { submit } as unknown as Writer;
}
