/**
 * Goal: the same done to many counters is told alike at every door; what it may not do it does not begin, and what ends it in
 * the middle takes back nothing of what was told.
 *
 * Method: a store of 600 counters, which are three slices, and clients of gRPC, Connect, gRPC-Web and REST; what stands
 * between is put in front of store and writer.
 */
import {
  create,
  type DescMethod,
  fromBinary,
  fromJson,
  type JsonObject,
  type JsonValue,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { BulkService } from "../../../gen/tally/v1/bulk_service_pb.ts";
import { type Refusal, TallyError } from "../../../src/core/errors.ts";
import { messageOf } from "../../../src/core/messages.ts";
import { Bulk } from "../../../src/service/bulk.ts";
import { toBatch } from "../../../src/service/call.ts";
import { fronted } from "../../../src/service/fronted.ts";
import { Writer } from "../../../src/service/writer.ts";
import { ZoneCalendar } from "../../../src/stores/shared/calendar.ts";
import { type Authorise, allowAll } from "../../../src/transports/calls/authorise.ts";
import { bulkCalls } from "../../../src/transports/calls/bulk.ts";
import { increment, single } from "../../support/calls.ts";
import { type Opened, open } from "../../transports/door.ts";
import { HTTP_VERSION } from "../../transports/engine.ts";
import { accessBy, grantsOf } from "../../transports/granted.ts";
import { send } from "../../transports/http.ts";

/** All that a caller was told, and what it ended with: "OK" or the reason, and in what words. */
interface Told {
  readonly lines: JsonObject[];
  readonly said: string;
  readonly message: string;
}

type Ask = (
  opened: Opened,
  method: DescMethod,
  request: JsonObject,
  headers?: Record<string, string>,
) => Promise<Told>;

function over(transportTo: (baseUrl: string) => Transport): Ask {
  return async ({ door }, { localName, input, output }, request, headers = {}) => {
    const client = createClient(BulkService, transportTo(`http://127.0.0.1:${door.port}`));
    const lines: JsonObject[] = [];
    try {
      const call = client[localName as "deleteCounters"];
      const answers = call(fromJson(input, request) as never, { headers });
      for await (const each of answers)
        lines.push(toJson(output, each as never, { alwaysEmitImplicit: true }) as JsonObject);
      return { lines, said: "OK", message: "" };
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      const reason = error.findDetails(ErrorInfoSchema)[0]?.reason;
      return { lines, said: reason ?? Code[error.code], message: error.rawMessage };
    }
  };
}

const overRest: Ask = async ({ door }, { name }, request, headers = {}) => {
  const got = await send(door.port, {
    method: "POST",
    path: `/v1/counters:${name === "DeleteCounters" ? "delete" : "reset"}`,
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(request),
  });
  const lines = got.text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as JsonObject);
  expect(got.headers["content-type"]).toBe(got.status === 200 ? "application/x-ndjson" : "application/json");
  const error = lines.at(-1)!.error as { message: string; details: { reason: string }[] } | undefined;
  const results = lines.flatMap(({ result }) => (result === undefined ? [] : [result as JsonObject]));
  if (error === undefined) return { lines: results, said: "OK", message: "" };
  return { lines: results, said: error.details[0]!.reason, message: error.message };
};

const options = (baseUrl: string, useBinaryFormat: boolean) => ({
  baseUrl,
  httpVersion: HTTP_VERSION,
  useBinaryFormat,
});
const DOORS: readonly (readonly [name: string, ask: Ask])[] = [
  ["gRPC", over((baseUrl) => createGrpcTransport({ baseUrl }))],
  ["Connect", over((baseUrl) => createConnectTransport(options(baseUrl, true)))],
  ["Connect, JSON", over((baseUrl) => createConnectTransport(options(baseUrl, false)))],
  ["gRPC-Web", over((baseUrl) => createGrpcWebTransport(options(baseUrl, true)))],
  ["gRPC-Web, JSON", over((baseUrl) => createGrpcWebTransport(options(baseUrl, false)))],
  ["REST", overRest],
];

const { deleteCounters, resetCounters } = BulkService.method;
const NAMES = Array.from({ length: 600 }, (_, i) => `s.${String(i).padStart(3, "0")}`);

async function filled(options: Parameters<typeof open>[0] = {}): Promise<Opened> {
  const opened = await open(options);
  const { commit } = opened.store;
  await commit.call(opened.store, toBatch([...NAMES, "t.there"].map((name) => single(increment(name)))));
  return opened;
}

async function left({ store }: Opened): Promise<number> {
  return (await store.sum({ prefix: "", labels: {} })).count;
}

const progressIn = (line: JsonObject): JsonValue => line.progress!;

describe.each(DOORS)("over %s", (_, ask) => {
  it("each slice is told when it is done, and the end as the end", async () => {
    await using opened = await filled();
    const tried = await ask(opened, deleteCounters, { prefix: "s.", dryRun: true });
    expect(await left(opened)).toBe(601);
    const told = await ask(opened, deleteCounters, { prefix: "s." });
    expect(tried).toEqual(told);
    expect(told.said).toBe("OK");
    const nothing = { skipped: "0", skippedByReason: {}, skippedCounters: [] };
    expect(told.lines.map(progressIn)).toEqual([
      { lookedAt: "250", done: "250", ...nothing, lastName: "s.249", complete: false },
      { lookedAt: "500", done: "500", ...nothing, lastName: "s.499", complete: false },
      { lookedAt: "600", done: "600", ...nothing, lastName: "s.599", complete: true },
    ]);
    expect(await left(opened)).toBe(1);
  });

  it.each([resetCounters, deleteCounters])(
    "$name ends after as many as were asked for, and goes on from there",
    async (method) => {
      await using opened = await filled();
      const doneIn = async (request: JsonObject) => {
        const { said, lines } = await ask(opened, method, { prefix: "s.", ...request });
        return [
          said,
          ...lines.map((line) =>
            (({ done, lastName, complete }) => [done, lastName, complete])(line.progress as JsonObject),
          ),
        ];
      };
      expect(await doneIn({ maxCounters: 300 })).toEqual([
        "OK",
        ["250", "s.249", false],
        ["300", "s.299", false],
      ]);
      expect(await doneIn({ maxCounters: 250, after: "s.299" })).toEqual(["OK", ["250", "s.549", false]]);
      expect(await doneIn({ maxCounters: 250, after: "s.549" })).toEqual(["OK", ["50", "s.599", true]]);
      expect((await ask(opened, method, { prefix: "s.", maxCounters: -1 })).said).toBe("INVALID_FIELD");
    },
  );

  it.each<[DescMethod, JsonObject, string]>([
    [deleteCounters, {}, "INVALID_FIELD"],
    [resetCounters, { labels: {}, prefix: "" }, "INVALID_FIELD"],
    [deleteCounters, { prefix: "s.", all: true }, "INVALID_FIELD"],
    [deleteCounters, { labels: { a: "b" }, all: true }, "INVALID_FIELD"],
    [deleteCounters, { prefix: "s.", after: "t.there" }, "INVALID_FIELD"],
    [deleteCounters, { prefix: "s s" }, "INVALID_FIELD"],
    [deleteCounters, { prefix: "é" }, "INVALID_FIELD"],
    [resetCounters, { prefix: "s.", note: "n".repeat(201) }, "INVALID_FIELD"],
  ])("%s %j is refused before anything: %s", async (method, request, said) => {
    await using opened = await filled();
    const told = await ask(opened, method, request);
    expect([told.said, told.lines]).toEqual([said, []]);
    expect(await left(opened)).toBe(601);
  });

  it("a key for retries is refused, for what is sent again is done again", async () => {
    await using opened = await filled();
    for (const dryRun of [false, true]) {
      const told = await ask(opened, resetCounters, { prefix: "s.", dryRun }, { "idempotency-key": "k" });
      expect([told.said, told.lines]).toEqual(["INVALID_FIELD", []]);
      expect(told.message).toContain("Idempotency-Key");
    }
  });

  it.each<[DescMethod, JsonObject, grants: string, said: string]>([
    [deleteCounters, { prefix: "s." }, "manage@s.", "OK"],
    [deleteCounters, { prefix: "s.1" }, "manage@s.", "OK"],
    [deleteCounters, { all: true }, "manage@", "OK"],
    [deleteCounters, { prefix: "s." }, "write,read@s.", "PERMISSION_DENIED"],
    [deleteCounters, { prefix: "s" }, "manage@s.", "PERMISSION_DENIED"],
    [deleteCounters, { prefix: "s.000" }, "manage@=s.000", "PERMISSION_DENIED"],
    [deleteCounters, { prefix: "s.", dryRun: true }, "read@s.", "PERMISSION_DENIED"],
    [deleteCounters, { prefix: "s.", dryRun: true }, "manage@s.", "PERMISSION_DENIED"],
    [deleteCounters, { prefix: "s.", dryRun: true }, "manage@s. read@=s.001", "PERMISSION_DENIED"],
    [deleteCounters, { prefix: "s.", dryRun: true }, "manage,read@s.", "OK"],
    [deleteCounters, { prefix: "s.", dryRun: true }, "manage@s. read@", "OK"],
    [deleteCounters, { labels: { team: "web" } }, "manage@s.", "PERMISSION_DENIED"],
    [resetCounters, { prefix: "s." }, "set@s.", "OK"],
    [resetCounters, { prefix: "s.", dryRun: true }, "set@s.", "PERMISSION_DENIED"],
    [resetCounters, { all: true, dryRun: true }, "set@ read@s.", "PERMISSION_DENIED"],
    [resetCounters, { prefix: "s.", dryRun: true }, "set,read@s.", "OK"],
    [resetCounters, { prefix: "s." }, "manage,increment@s.", "PERMISSION_DENIED"],
    [resetCounters, { all: true }, "set@s. set@t.", "PERMISSION_DENIED"],
  ])("%s %j by %s: %s", async (method, request, grants, said) => {
    await using opened = await filled({ authorise: byGrants });
    const before = await left(opened);
    const told = await ask(opened, method, request, { "x-grants": grants });
    expect(told.said).toBe(said);
    if (said === "OK") return;
    expect(told.lines).toEqual([]);
    expect(await left(opened)).toBe(before);
  });

  it("a store that fails in the middle ends it, and nothing is told that is not on disk", async () => {
    let calls = 0;
    await using opened = await filled({
      writer: (real) =>
        new Proxy(real, {
          get: (_, name) =>
            name === "submit"
              ? (call: Parameters<typeof real.submit>[0]) =>
                  ++calls > 300
                    ? Promise.reject(new TallyError("OUTCOME_UNKNOWN", "a test"))
                    : real.submit(call)
              : Reflect.get(real, name, real),
        }),
    });
    const told = await ask(opened, deleteCounters, { prefix: "s." });
    expect(told.said).toBe("OUTCOME_UNKNOWN");
    expect(told.lines.map(progressIn)).toMatchObject([
      { done: "250", lastName: "s.249" },
      { done: "300", lastName: "s.249", complete: false },
    ]);
    expect(await left(opened)).toBe(301);
  });

  it("a caller who is not permitted any longer is told so, and that what was told stands", async () => {
    const revoking = new AbortController();
    let slices = 0;
    await using opened = await filled({
      authorise: () => ({ caller: "c", revoked: revoking.signal }),
      store: (real) =>
        fronted(real, {
          list: async (...asked) => {
            if (++slices === 2) revoking.abort({ code: "CREDENTIAL_REVOKED" });
            return real.list(...asked);
          },
        }),
    });
    const told = await ask(opened, deleteCounters, { prefix: "s." });
    expect(told.said).toBe("CREDENTIAL_REVOKED");
    expect(told.message).toContain("what was told as done stands");
    expect(told.lines).toHaveLength(1);
    expect(await left(opened)).toBe(351); // The next slice was read, and is not begun.
  });
});

it("a server that stops ends it after its slice, and says what stands", async () => {
  await using opened = await filled();
  const { store, clock } = opened;
  const bulk = new Bulk(store, new Writer(store, clock), clock, new ZoneCalendar(() => {}));
  const [call] = bulkCalls(bulk, allowAll, 64 * 1024);
  const draining = new AbortController();
  const context = { caller: "", deadline: Infinity, signal: new AbortController().signal, attach: () => {} };
  const request = toBinary(deleteCounters.input, create(deleteCounters.input, { prefix: "s." }));
  const answers = call!.open(only(Buffer.from(request)), { ...context, draining: draining.signal });
  const { progress } = fromBinary(deleteCounters.output, (await answers.next()).value as Uint8Array);
  expect(progress).toMatchObject({ done: 250n, lastName: "s.249", complete: false });
  draining.abort();
  const { done, value } = await answers.next();
  expect([done, value]).toEqual([true, { code: "DRAINING", midway: true }]);
  expect(messageOf(value as Refusal)).toContain("what was told as done stands");
  expect(await left(opened)).toBe(351);
});

async function* only(message: Buffer): AsyncGenerator<Buffer> {
  yield message;
}

it("every door tells the same", async () => {
  const transcripts: Told[][] = [];
  for (const [, ask] of DOORS) {
    await using opened = await filled();
    const told: Told[] = [];
    for (const request of [
      {},
      { prefix: "s.5", after: "s.550" },
      { prefix: "s", after: "t" },
      { prefix: "none" },
    ])
      for (const method of [resetCounters, deleteCounters]) told.push(await ask(opened, method, request));
    transcripts.push(told);
  }
  for (const each of transcripts) expect(each).toEqual(transcripts[0]);
});

describe("REST", () => {
  it("a caller who goes away ends it after a slice", async () => {
    let slices = 0;
    let gone = () => {};
    await using opened = await filled({
      store: (real) =>
        fronted(real, {
          list: async (...asked) => {
            if (++slices === 2) gone();
            return real.list(...asked);
          },
        }),
    });
    const leaving = new AbortController();
    gone = () => leaving.abort();
    const body = JSON.stringify({ prefix: "s." });
    const headers = { "content-type": "application/json" };
    const url = `http://127.0.0.1:${opened.door.port}/v1/counters:delete`;
    const asked = fetch(url, { method: "POST", headers, body, signal: leaving.signal }).then((r) => r.text());
    await expect(asked).rejects.toThrow();
    await expect.poll(() => left(opened)).toBeLessThanOrEqual(351);
    expect(await left(opened)).toBeGreaterThanOrEqual(101);
  });

  it.each([
    [{ method: "GET" }, 405],
    [{ method: "DELETE" }, 405],
    [{ method: "POST", headers: { "content-type": "text/plain" }, body: "{}" }, 415],
    [{ method: "POST", headers: { "content-type": "application/json" }, body: "{" }, 400],
    [{ method: "POST", headers: { "content-type": "application/json" }, body: '{"prefix": 7}' }, 400],
    [{ method: "POST", headers: { "content-type": "application/json" }, body: '{"prefx": "s."}' }, 400],
    [
      {
        method: "POST",
        headers: { "content-type": "application/json", "if-match": "*" },
        body: '{"prefix": "s."}',
      },
      400,
    ],
    [{ method: "POST" }, 400],
  ])("%j is answered with %i", async (sent, status) => {
    await using opened = await filled();
    const got = await send(opened.door.port, { path: "/v1/counters:delete", ...sent });
    expect(got.status).toBe(status);
    expect(await left(opened)).toBe(601);
  });
});

/** By grants in a header. */
const byGrants: Authorise = ({ headerOf }) => ({
  caller: "c",
  access: accessBy(grantsOf(...(headerOf("x-grants")?.split(" ") ?? []))),
});
