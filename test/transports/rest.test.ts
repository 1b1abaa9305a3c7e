/** REST: paths, parameters, headers and statuses, sent to the byte. What the calls mean is in test/doors/parity. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { promisify } from "node:util";
import type { JsonObject } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { failingStore, failingWriter } from "../doors/parity/failing.ts";
import { type Opened, open } from "./door.ts";
import { byEngine } from "./engine.ts";
import { type Got, type Sent, send } from "./http.ts";

type Caller = (method: string, path: string, more?: Omit<Sent, "method" | "path">) => Promise<Got>;

/** A door, and a short way to call it. */
async function openRest(options?: Parameters<typeof open>[0]): Promise<Opened & { call: Caller }> {
  const opened = await open(options);
  const call: Caller = (method, path, more) => send(opened.door.port, { method, path, ...more });
  return Object.assign(opened, { call });
}

const valueIn = ({ json }: Got) => {
  const { counter, outcome } = json as { counter?: JsonObject; outcome?: JsonObject };
  return (counter ?? outcome)?.value;
};

describe("every path of the documentation, by curl", () => {
  /** In this order on one server. @see docs/http.md */
  const CALLS: readonly (readonly [args: string, status: number, answer: object])[] = [
    [
      '-X POST /v1/counters -d {"name":"page","max":"100"}',
      200,
      { counter: { name: "page", value: "0", max: "100" } },
    ],
    ["/v1/counters?prefix=pa&page_size=1", 200, { counters: [{ name: "page" }], nextPageToken: "" }],
    ["/v1/counters/page", 200, { counter: { value: "0" } }],
    [
      '-X PATCH /v1/counters/page -d {"description":"Views"}',
      200,
      { counter: { description: "Views", max: "100" } },
    ],
    ['-X POST /v1/counters/page:increment -d {"amount":"5"}', 200, { outcome: { value: "5" } }],
    ["-X POST /v1/counters/page:increment", 200, { outcome: { value: "6" } }],
    ["-X POST /v1/counters/page:decrement", 200, { outcome: { value: "5" } }],
    ['-X POST /v1/counters/page:set -d {"value":9}', 200, { outcome: { value: "9" } }],
    ["-X POST /v1/counters/page:reset", 200, { outcome: { value: "0" } }],
    [
      '-X POST /v1/counters:batchApply -d {"operations":[{"name":"page","increment":2}]}',
      200,
      { outcomes: [{ value: "2" }] },
    ],
    [
      '-X POST /v1/counters:batchGet -d {"names":["page","none"]}',
      200,
      { results: [{ counter: { value: "2" } }, { refusal: { reason: "COUNTER_NOT_FOUND" } }] },
    ],
    ["/v1/counters:top?n=10", 200, { counters: [{ name: "page" }] }],
    ["/v1/counters:sum?prefix=page", 200, { count: "1", sum: "2" }],
    ["-X DELETE /v1/counters/page", 200, { name: "page", value: "2" }],
    ["-X POST /counters/hits/increment", 200, { name: "hits", value: 1 }],
    ["-X POST /counters/hits/decrement", 200, { name: "hits", value: 0 }],
    ['-X PUT /counters/hits -d {"value":7}', 200, { name: "hits", value: 7 }],
    ["/counters/hits", 200, { name: "hits", value: 7 }],
    ["-X PUT /counters/hits", 200, { name: "hits", value: 0 }],
    ["/counters/none", 404, { error: { code: 404, status: "NOT_FOUND" } }],
  ];

  it(`answers ${CALLS.length} calls`, async () => {
    await using opened = await openRest();
    for (const [line, status, answer] of CALLS) {
      const args = line
        .split(" ")
        .map((arg) => (arg.startsWith("/") ? `http://127.0.0.1:${opened.door.port}${arg}` : arg));
      const json = line.includes(" -d ") ? ["-H", "content-type: application/json"] : [];
      const { stdout } = await promisify(execFile)("curl", [
        "-sS",
        "-w",
        "%{stderr}%{http_code}",
        ...json,
        ...args,
      ]);
      expect(JSON.parse(stdout), line).toMatchObject(answer);
      const direct = JSON.parse(stdout) as { error?: { code: number } };
      expect(direct.error?.code ?? 200, line).toBe(status);
    }
  });

  it("the short paths answer a number, and beyond 2^53-1 a string", async () => {
    await using opened = await openRest();
    const { call } = opened;
    for (const [value, shown] of [
      ["9007199254740991", 9007199254740991],
      ["9007199254740992", "9007199254740992"],
      ["-9223372036854775808", "-9223372036854775808"],
    ] as const) {
      expect((await call("PUT", "/counters/a", { body: { value } })).text).toBe(
        `${JSON.stringify({ name: "a", value: shown })}\n`,
      );
      expect((await call("GET", "/counters/a")).json).toEqual({ name: "a", value: shown });
    }
  });
});

describe("a name in a path", () => {
  it.each([
    ["a%2Fb", "a/b"],
    ["a%2fb", "a/b"],
    ["user:42", "user:42"],
    ["user%3A42", "user:42"],
    ["x%3Aincrement", "x:increment"],
    ["%25", "%"],
    ["%252F", "%2F"],
    ["..", ".."],
    ["%2E%2E", ".."],
    ["a+b", "a+b"],
    ["%7Btag%7D", "{tag}"],
    ["{tag}", "{tag}"],
    [":increment", ":increment"],
    ["a;b=c", "a;b=c"],
  ])("%s is %s", async (segment, name) => {
    await using opened = await openRest();
    expect((await opened.call("POST", `/v1/counters/${segment}:increment`)).json).toMatchObject({
      outcome: { name, value: "1" },
    });
    expect((await opened.call("GET", `/v1/counters/${segment}`)).json).toMatchObject({ counter: { name } });
    expect((await opened.client.getCounter({ name })).counter?.value).toBe(1n);
    expect((await opened.call("POST", `/counters/${segment}/increment`)).json).toEqual({ name, value: 2 });
    expect((await opened.call("DELETE", `/v1/counters/${segment}`)).json).toMatchObject({ name, value: "2" });
  });

  it("keeps a verb of its own behind another verb", async () => {
    await using opened = await openRest();
    expect((await opened.call("POST", "/v1/counters/x:set:increment")).json).toMatchObject({
      outcome: { name: "x:set" },
    });
    // To GET there is no such verb, so it is part of the name.
    expect((await opened.call("GET", "/v1/counters/x:set")).json).toMatchObject({
      counter: { name: "x:set" },
    });
  });

  it.each(["%", "50%", "%zz", "%FF", "%C3%28", "%2"])(
    "with a broken escape is refused by its field: %s",
    async (segment) => {
      await using opened = await openRest();
      for (const [method, path] of [
        ["GET", `/v1/counters/${segment}`],
        ["POST", `/v1/counters/${segment}:increment`],
        ["POST", `/counters/${segment}/increment`],
      ] as const) {
        const { status, error } = await opened.call(method, path);
        expect([status, error?.reason, error?.metadata.field]).toEqual([400, "INVALID_FIELD", "name"]);
      }
    },
  );

  it.each(["%20", "%C3%A9", "-a", "%00", "n".repeat(201), "%F0%9F%A7%AE"])(
    "that is not a name is refused: %s",
    async (segment) => {
      await using opened = await openRest();
      const { status, error } = await opened.call("POST", `/v1/counters/${segment}:increment`);
      expect([status, error?.reason, error?.metadata.field]).toEqual([400, "INVALID_FIELD", "name"]);
    },
  );

  it.each([
    ["GET", "/v1/counters/"],
    ["GET", "/v1/counters/a/"],
    ["GET", "/v1//counters/a"],
    ["GET", "//v1/counters/a"],
    ["POST", "/counters//increment"],
    ["GET", "/counters/"],
    ["GET", "/V1/counters/a"],
    ["GET", "/v1/counters/a/b"],
    ["GET", "/v2/counters"],
  ])("is not made of empty segments: %s %s is 404", async (method, path) => {
    await using opened = await openRest();
    const { status, error } = await opened.call(method, path);
    expect([status, error?.status, error?.reason]).toEqual([404, "NOT_FOUND", "PATH_NOT_FOUND"]);
  });

  it.each([
    ['{"name":5}', "5"],
    ['{"name":["seats"]}', "an array of 1"],
    ['{"amount":"1","n\\u0061me":"s\\u0065at"}', '"seat"'],
  ])("is not what the body %s says", async (body, got) => {
    await using opened = await openRest();
    const headers = { "content-type": "application/json" };
    const refused = await send(opened.door.port, {
      method: "POST",
      path: "/counters/seats/increment",
      headers,
      body,
    });
    expect(refused.error?.message).toBe(
      `name must be the same in the path ("seats"), got ${got}; nothing was applied.`,
    );
  });

  it.each([
    ['{"v\\u0061lue":7}', 7],
    ['{"mustExist":false,"value":"8"}', 8],
    ['{"name":"seats","note":"value"}', 0],
    ["", 0],
  ])("with PUT is set if the body has a value, and else reset: %s", async (body, value) => {
    await using opened = await openRest();
    const headers = { "content-type": "application/json" };
    await opened.client.increment({ name: "seats", amount: 3n });
    const put = await send(opened.door.port, { method: "PUT", path: "/counters/seats", headers, body });
    expect(put.json).toEqual({ name: "seats", value });
  });

  it("with PUT is refused for an object, whatever is behind it", async () => {
    await using opened = await openRest();
    const { error } = await opened.call("PUT", "/counters/seats", { body: { a: {}, value: 7 } });
    expect(error?.message).toBe("a is not a field of ResetRequest; nothing was applied.");
  });

  it('is not the key "source" of an object, which is no number', async () => {
    await using opened = await openRest();
    const headers = { "content-type": "application/json" };
    const path = "/counters/seats/increment";
    const refused = await send(opened.door.port, { method: "POST", path, headers, body: '{"source":"a"}' });
    expect(refused.error?.message).toMatch(/^source is not a field of IncrementRequest/);
  });

  it("that the body repeats must be the same", async () => {
    await using opened = await openRest();
    const path = "/v1/counters/a:increment";
    expect(valueIn(await opened.call("POST", path, { body: { name: "a" } }))).toBe("1");
    const { error } = await opened.call("POST", path, { body: { name: "b" } });
    expect(error).toMatchObject({ reason: "INVALID_FIELD", metadata: { field: "name" } });
    const short = await opened.call("POST", "/counters/a/increment", { body: { name: "b" } });
    expect(short.error?.metadata.field).toBe("name");
    expect(valueIn(await opened.call("GET", "/v1/counters/a"))).toBe("1");
  });

  it("may come behind a whole URL, as to a proxy", async () => {
    await using opened = await openRest();
    for (const host of ["x", "[::1]:1", "127.0.0.1"]) {
      const path = `http://${host}/v1/counters/a:increment`;
      expect((await opened.call("POST", path, { headers: { host }, version: "1.1" })).status).toBe(200);
    }
    expect(opened.logged).toEqual([]);
  });
});

describe("methods", () => {
  it.each([
    ["PUT", "/v1/counters", "POST, GET, HEAD"],
    ["POST", "/v1/counters/a", "GET, HEAD, PATCH, DELETE"],
    ["POST", "/v1/counters/a:bogus", "GET, HEAD, PATCH, DELETE"],
    ["PUT", "/v1/counters/a:increment", "GET, HEAD, PATCH, DELETE, POST"],
    ["GET", "/v1/counters:batchApply", "POST"],
    ["POST", "/v1/counters:top", "GET, HEAD"],
    ["GET", "/counters/a/increment", "POST"],
    ["DELETE", "/counters/a", "GET, HEAD, PUT"],
    ["OPTIONS", "/v1/counters", "POST, GET, HEAD"],
    ["PUT", "/tally.v1.CounterService/Increment", "POST"],
    ["GET", "/tally.v1.CounterService/Increment", "POST"],
    ["DELETE", "/tally.v1.CounterService/GetCounter", "POST, GET, HEAD"],
  ])("%s %s is 405, and allow says what is taken", async (method, path, allow) => {
    await using opened = await openRest();
    const got = await opened.call(method, path);
    expect([got.status, got.error?.reason, got.error?.status]).toEqual([
      405,
      "METHOD_NOT_ALLOWED",
      "UNIMPLEMENTED",
    ]);
    expect(got.headers.allow?.split(", ").sort()).toEqual(allow.split(", ").sort());
  });

  it.each([
    [
      "POST",
      "/v1/counters/seats:incr",
      405,
      ":incr is none of its verbs (:increment, :decrement, :set, :reset)",
    ],
    ["POST", "/v1/counters/seats:Increment", 405, ":Increment is none of its verbs"],
    ["POST", "/v1/counters/user:42:incr", 405, ":incr is none of its verbs"],
    ["POST", "/v1/counters/seats", 405, "put a verb behind the name (:increment, :decrement, :set, :reset)"],
    ["POST", "/v1/counters/seats:", 405, "put a verb behind the name"],
    ["PUT", "/v1/counters/seats", 405, "use GET, HEAD, PATCH, DELETE."],
    [
      "GET",
      "/v1/counters/seats:increment",
      404,
      "to GET :increment is a part of it, and a verb only to POST",
    ],
    ["HEAD", "/v1/counters/seats:set", 404, ""],
    ["DELETE", "/v1/counters/seats:set", 404, "to DELETE :set is a part of it, and a verb only to POST"],
    ["GET", "/v1/counters/seats", 404, "create it first"],
    ["GET", "/v1/counters/seats:incr", 404, "create it first"],
    ["POST", "/v1/counters:batchget", 404, "it is /v1/counters:batchGet."],
    ["POST", "/v1/counters:BatchApply", 404, "it is /v1/counters:batchApply."],
    ["GET", "/v1/counters:list", 404, "one of :batchGet, :top, :sum, :batchApply"],
    ["GET", "/v1/Counters:list", 404, "behind /v1/counters is one of :batchGet"],
    ["POST", "/v1/limits/v:taek", 404, ":taek is none of its verbs (:take, :giveBack)."],
    ["POST", "/v1/limits/user:42:taek", 404, ":taek is none of its verbs (:take, :giveBack)."],
    ["GET", "/v1/limits/v", 404, "put a verb behind the name (:take, :giveBack)."],
    ["POST", "/v1/limits/v:Take", 404, "it is /v1/limits/{name}:take."],
    ["POST", "/v1/limits/a/b:take", 404, "%2F"],
    ["POST", "/v1/limits:taek", 404, "what stands behind /v1/limits is one of :take."],
    ["GET", "/v1/policies:list", 404, "what stands behind /v1/policies is one of :get."],
    ["GET", "/v1/history:sum", 404, "/v1/history has no verbs."],
    ["POST", "/v1/history/a:sum", 405, "use GET, HEAD."],
    ["GET", "/v1/changes/a/b", 404, "%2F"],
    ["POST", "/v1/admin/keys/k1:revok", 404, ":revok is none of its verbs (:revoke)."],
    ["GET", "/v1/admin/keys/k1", 404, "put a verb behind the id (:revoke)."],
    ["POST", "/v1/admin/bindings:remove", 404, "what stands behind /v1/admin/bindings is one of :delete."],
    ["POST", "/v1/admin/store:check", 404, "what stands behind /v1/admin/store is one of :verify."],
    ["GET", "/v1/admin/whoami:x", 404, "/v1/admin/whoami has no verbs."],
    ["POST", "/v1/admin/principals/p/keys:x", 404, "/v1/admin/principals/{principal}/keys has no verbs."],
    ["POST", "/v1/limits", 404, "what stands behind /v1/limits is one of :take."],
    ["GET", "/v1/admin/store", 404, "what stands behind /v1/admin/store is one of :verify."],
    ["GET", "/v1/changes", 404, "it is /v1/changes/{name}."],
    ["GET", "/v1/changes:a", 404, "it is /v1/changes/{name}."],
    ["GET", "/v1/admin/keys", 404, "it is /v1/admin/keys/{id}:revoke."],
    ["GET", "/v1/counters/", 404, "it is /v1/counters."],
    ["GET", "/V1/Counters", 404, "it is /v1/counters."],
    ["POST", "/v1/counters/seats:increment/", 404, "it is /v1/counters/{name}:increment."],
    ["GET", "/v1//counters/seats", 404, "it is /v1/counters/{name}."],
    ["GET", "/v1/counters/a/b", 404, "%2F"],
    ["GET", "/counters", 404, "/v1/counters"],
    ["POST", "/counters/a/incr", 404, "/increment, /decrement"],
    ["POST", "/counters/a/Increment", 404, "it is /counters/{name}/increment."],
    ["POST", "/tally.v1.CounterService/increment", 404, "it is /tally.v1.CounterService/Increment."],
    ["POST", "/Tally.V1.CounterService/Increment/", 404, "it is /tally.v1.CounterService/Increment."],
    ["POST", "/tally.v1.CounterService/Incremnt", 404, "may be Increment."],
    ["POST", "/tally.v1.CounterService/Batch", 404, "may be BatchGetCounters or BatchApply."],
    ["POST", "/tally.v1.CounterService/Xyz", 404, "has no such method"],
    ["POST", "/tally.v1.CounterService/", 404, "has no such method"],
    ["GET", "/docs/", 404, "it is /docs."],
    ["GET", "/Livez", 404, "it is /livez."],
    ["GET", "/nowhere", 404, "served at this path; /openapi.json lists what is."],
  ])("%s %s is %d, and says what may be meant", async (method, path, status, says) => {
    await using opened = await openRest();
    const got = await opened.call(method, path);
    expect(got.status).toBe(status);
    if (method !== "HEAD") expect(got.error!.message).toContain(says);
    expect(Buffer.byteLength(got.error?.message ?? "")).toBeLessThanOrEqual(200);
    expect((await opened.client.listCounters({})).counters).toEqual([]);
  });

  it("leave names with what is a verb for others as they are", async () => {
    await using opened = await openRest();
    await opened.call("POST", "/v1/counters", { body: { name: "seats:increment" } });
    expect((await opened.call("GET", "/v1/counters/seats:increment")).status).toBe(200);
    expect((await opened.call("POST", "/v1/counters/seats:increment:increment")).status).toBe(200);
    expect((await opened.call("DELETE", "/v1/counters/seats:increment")).status).toBe(200);
  });

  it("HEAD has the headers of GET and no body", async () => {
    await using opened = await openRest();
    await opened.call("POST", "/v1/counters/a:increment");
    const got = await opened.call("GET", "/v1/counters/a");
    const head = await opened.call("HEAD", "/v1/counters/a");
    expect([head.status, head.bytes.length]).toEqual([200, 0]);
    expect({ ...head.headers, date: "" }).toEqual({ ...got.headers, date: "" });
    expect((await opened.call("HEAD", "/v1/counters/none")).status).toBe(404);
    for (const path of [
      "/v1/counters",
      "/v1/counters:top",
      "/v1/counters:sum",
      "/counters/a",
      "/",
      "/docs",
      "/livez",
    ]) {
      const [answer, without] = [await opened.call("GET", path), await opened.call("HEAD", path)];
      const { date: _, "transfer-encoding": __, ...headers } = answer.headers; // Of a body that there is none of.
      expect([path, without.status, without.bytes.length]).toEqual([path, 200, 0]);
      expect(without.headers).toMatchObject(headers);
    }
  });
});

describe("bodies", () => {
  const path = "/v1/counters/a:increment";

  it.each([
    "application/json",
    "application/json; charset=utf-8",
    'Application/JSON;charset="UTF-8"',
    "application/json ; v=1",
  ])("are taken as %s", async (type) => {
    await using opened = await openRest();
    expect(
      (await opened.call("POST", path, { headers: { "content-type": type }, body: '{"amount":3}' })).status,
    ).toBe(200);
  });

  it.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/jsonx",
    "application/json+x",
    "application/json, text/plain",
    "application/json; charset =latin1",
    "application/json; charset=utf-8; charset=latin1",
    ...byEngine({ "grpc-js": ["application/grpc"], own: [] }), // Which it is, over HTTP/2.
    "application/grpc-web+json",
    "application/connect+json",
    "application/json-patch+json",
    "application/json; charset=latin1",
    "application/json; charset=utf-16",
    "application/proto",
    "",
  ])("are not taken as '%s'", async (type) => {
    await using opened = await openRest();
    for (const at of [path, "/counters/a/increment"]) {
      const { status, error } = await opened.call("POST", at, {
        headers: { "content-type": type },
        body: '{"amount":3}',
      });
      expect([status, error?.reason]).toEqual([415, "MEDIA_TYPE_NOT_SUPPORTED"]);
    }
    expect((await opened.call("GET", "/v1/counters/a")).status).toBe(404);
  });

  it("that are compressed are refused as such", async () => {
    await using opened = await openRest();
    const { status, error } = await opened.call("POST", path, {
      headers: { "content-encoding": "gzip" },
      body: {},
    });
    expect([status, error?.reason]).toEqual([415, "ENCODING_NOT_SUPPORTED"]);
    expect(error?.message).toContain("compressed with gzip");
  });

  it("where none is read are refused, because what they say would be dropped", async () => {
    await using opened = await openRest();
    await opened.call("POST", path);
    const deleted = await opened.call("DELETE", "/v1/counters/a", { body: { etag: "other" } });
    expect([deleted.status, deleted.error?.reason]).toEqual([400, "MALFORMED_MESSAGE"]);
    expect((await opened.call("GET", "/v1/counters/a", { body: {} })).status).toBe(400);
    expect(valueIn(await opened.call("GET", "/v1/counters/a"))).toBe("1");
  });

  it("of gRPC are not taken anywhere over HTTP/1.1, not even empty ones, and are told where it goes", async () => {
    await using opened = await openRest();
    for (const type of ["application/grpc", "application/grpc+proto", "Application/gRPC"]) {
      for (const at of [path, "/counters/a/increment", "/grpc.health.v1.Health/Check", "/", "/nowhere"]) {
        const headers = { "content-type": type };
        const { status, error } = await opened.call("POST", at, { headers, version: "1.1" });
        if (at === "/")
          expect(status).toBe(405); // Which is for no body of any type.
        else {
          expect([at, status, error?.reason]).toEqual([at, 415, "MEDIA_TYPE_NOT_SUPPORTED"]);
          expect(error?.message).toContain("gRPC");
          expect(error?.message).toContain("HTTP/2");
        }
      }
    }
    expect((await opened.call("GET", "/v1/counters/a")).status).toBe(404);
  });

  it("that are empty ask for the defaults, whatever their type", async () => {
    await using opened = await openRest();
    expect(valueIn(await opened.call("POST", path, { headers: { "content-type": "text/plain" } }))).toBe("1");
    const { error } = await opened.call("POST", "/v1/counters/a:set");
    expect(error?.metadata.field).toBe("value");
  });

  it.each(["content-length", "chunked"])(
    "that are too large are 413, seen by a caller who only writes at first, and the connection lives on (%s)",
    async (how) => {
      await using opened = await openRest({ limits: { batchBytesMax: 10_000 } });
      const socket = connect(opened.door.port, "127.0.0.1");
      const body = Buffer.alloc(3_000_000, " ");
      socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`);
      if (how === "chunked")
        socket.write(`Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n`);
      else socket.write(`Content-Length: ${body.length}\r\n\r\n`);
      socket.write(body);
      if (how === "chunked") socket.write("\r\n0\r\n\r\n");
      socket.write("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      let text = "";
      socket.on("data", (chunk) => {
        text += chunk;
      });
      await once(socket, "close");
      expect(text).toMatch(/^HTTP\/1.1 413 [\s\S]*"MESSAGE_TOO_LARGE"[\s\S]*\nHTTP\/1.1 200 OK[\s\S]*\nok\n/);
      expect(opened.logged).toEqual([]);
    },
  );

  it("that end early change nothing, and are no defect of ours", async () => {
    await using opened = await openRest();
    const socket = connect(opened.door.port, "127.0.0.1");
    socket.end(
      `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{}`,
    );
    socket.resume();
    await once(socket, "close");
    const reset = connect(opened.door.port, "127.0.0.1");
    reset.write(
      `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{}`,
      () => reset.resetAndDestroy(),
    );
    await once(reset, "close");
    expect((await opened.call("GET", "/v1/counters/a")).status).toBe(404);
    expect(opened.logged).toEqual([]);
  });
});

describe("query parameters", () => {
  async function openShops() {
    const opened = await openRest();
    for (const [name, labels] of [
      ["shop.a", { site: "a b", "x.y": "é+" }],
      ["shop.b", { site: "b" }],
      ["stop.c", {}],
    ] as const) {
      await opened.call("POST", "/v1/counters", {
        body: { name, labels, value: name.at(-1) === "a" ? "5" : "1" },
      });
    }
    return opened;
  }
  const names = ({ json }: Got) =>
    (json as { counters: { name: string }[] }).counters.map(({ name }) => name);

  it.each([
    ["", ["shop.a", "shop.b", "stop.c"]],
    ["?", ["shop.a", "shop.b", "stop.c"]],
    ["?&prefix=shop.&", ["shop.a", "shop.b"]],
    ["?prefix=shop%2E&pageSize=1", ["shop.a"]],
    ["?labels.site=a+b", ["shop.a"]],
    ["?labels.site=a%20b&labels.x.y=%C3%A9%2B", ["shop.a"]],
    ["?labels.site=", []],
    ["?labels.__proto__=x", []],
    ["?prefix", ["shop.a", "shop.b", "stop.c"]],
  ])("%s select", async (query, found) => {
    await using opened = await openShops();
    expect(names(await opened.call("GET", `/v1/counters${query}`))).toEqual(found);
  });

  it.each([
    ["/v1/counters?page_size=1&page_size=2", "page_size"],
    ["/v1/counters?page_size=1&pageSize=1", "page_size"],
    ["/v1/counters?labels.site=a&labels.site=b", "labels.site"],
    ["/v1/counters?labels=a", "labels"],
    ["/v1/counters?labels.=a", 'labels[""]'],
    ["/v1/counters?prefix.x=a", "prefix.x"],
    ["/v1/counters?colour=red", "colour"],
    ["/v1/counters?__proto__=x", "__proto__"],
    ["/v1/counters?page_size=", "page_size"],
    ["/v1/counters?page_size=1.0", "page_size"],
    ["/v1/counters?page_size=0x10", "page_size"],
    ["/v1/counters?labels.site=%FF", "labels.site"],
    ["/v1/counters:top?order=highest", "order"],
    ["/v1/counters:top?n=0", "n"],
    ["/v1/counters/shop.a?colour=red", "colour"],
    ["/v1/counters/shop.a?name=shop.b", "name"],
    ["/counters/shop.a?colour=red", "colour"],
    [`/v1/counters?${"x".repeat(5_000)}=1`, `${"x".repeat(60)}...`],
  ])("%s is refused by its name", async (path, field) => {
    await using opened = await openShops();
    const { status, error } = await opened.call("GET", path);
    expect([status, error?.reason, error?.metadata.field]).toEqual([400, "INVALID_FIELD", field]);
  });

  it("with a broken escape are refused", async () => {
    await using opened = await openShops();
    for (const query of ["prefix=100%", "labels.site=%zz", "%=1"]) {
      const { status, error } = await opened.call("GET", `/v1/counters?${query}`);
      expect([status, error?.reason]).toEqual([400, "MALFORMED_MESSAGE"]);
    }
  });

  it("are no place for what belongs in the body", async () => {
    await using opened = await openShops();
    for (const path of ["/v1/counters/shop.a:increment?amount=5", "/counters/shop.a/increment?amount=5"]) {
      expect((await opened.call("POST", path)).error?.metadata.field).toBe("amount");
    }
    expect(valueIn(await opened.call("GET", "/v1/counters/shop.a"))).toBe("5");
  });

  it("that are true or false are written so", async () => {
    await using opened = await openShops();
    for (const text of ["1", "TRUE", "yes", ""]) {
      const { error } = await opened.call("DELETE", `/v1/counters/shop.a?keep_history=${text}`);
      expect(error?.metadata.field).toBe("keep_history");
    }
    expect((await opened.call("DELETE", "/v1/counters/shop.a?keepHistory=true&note=a%26b")).status).toBe(200);
    expect((await opened.call("DELETE", "/v1/counters/shop.b?keep_history=false")).status).toBe(200);
  });
});

describe("headers", () => {
  const path = "/v1/counters/a:increment";

  it("Idempotency-Key is the request id, quoted or not", async () => {
    await using opened = await openRest();
    const again = (key: string) => opened.call("POST", path, { headers: { "idempotency-key": key } });
    expect((await again("k-1")).json).toMatchObject({ outcome: { value: "1", replayed: false } });
    expect((await again('"k-1"')).json).toMatchObject({ outcome: { value: "1", replayed: true } });
    const body = { requestId: "k-1" };
    expect((await opened.call("POST", path, { body })).json).toMatchObject({ outcome: { replayed: true } });
    expect((await opened.call("POST", path, { body, headers: { "idempotency-key": "k-1" } })).status).toBe(
      200,
    );
    const short = await opened.call("POST", "/counters/a/increment", {
      headers: { "idempotency-key": "k-1" },
    });
    expect(short.json).toEqual({ name: "a", value: 1 });
    const deleted = { headers: { "idempotency-key": "k-2" } };
    expect((await opened.call("DELETE", "/v1/counters/a", deleted)).json).toMatchObject({ replayed: false });
    expect((await opened.call("DELETE", "/v1/counters/a", deleted)).json).toMatchObject({ replayed: true });
  });

  it.each<[string, Omit<Sent, "method" | "path">]>([
    ["that the body contradicts", { headers: { "idempotency-key": "k-1" }, body: { requestId: "k-2" } }],
    ["twice", { headers: { "idempotency-key": ["k-1", "k-2"] } }],
    ["empty", { headers: { "idempotency-key": "" } }],
    ["too long", { headers: { "idempotency-key": "k".repeat(65) } }],
    ["with a space", { headers: { "idempotency-key": '"a b"' } }],
  ])("Idempotency-Key %s is refused", async (_, sent) => {
    await using opened = await openRest();
    for (const at of [path, "/counters/a/increment"]) {
      const { status, error } = await opened.call("POST", at, sent);
      expect([status, error?.reason, error?.metadata.field]).toEqual([400, "INVALID_FIELD", "request_id"]);
    }
    expect((await opened.call("GET", "/v1/counters/a")).status).toBe(404);
  });

  it("ETag names what was answered, and If-Match asks for it", async () => {
    await using opened = await openRest();
    const { headers, json } = await opened.call("POST", path);
    const { etag } = (json as { outcome: { etag: string } }).outcome;
    expect(headers.etag).toBe(`"${etag}"`);
    expect((await opened.call("GET", "/v1/counters/a")).headers.etag).toBe(`"${etag}.s1"`);
    const set = (match: string, at = "/v1/counters/a:set") =>
      opened.call(at.startsWith("/v1") ? "POST" : "PUT", at, {
        headers: { "if-match": match },
        body: { value: 8 },
      });
    const changed = await set(`"${etag}"`);
    expect([changed.status, valueIn(changed)]).toEqual([200, "8"]);
    for (const at of ["/v1/counters/a:set", "/counters/a"]) {
      const stale = await set(`"${etag}"`, at);
      expect([stale.status, stale.error?.status, stale.error?.reason]).toEqual([
        409,
        "ABORTED",
        "ETAG_MISMATCH",
      ]);
    }
    expect((await set(changed.headers.etag!.slice(1, -1))).status).toBe(200);
    const deleted = await opened.call("DELETE", "/v1/counters/a", { headers: { "if-match": `"${etag}"` } });
    expect(deleted.status).toBe(409);
  });

  it("If-Match of settings is their etag", async () => {
    await using opened = await openRest();
    await opened.call("POST", path);
    const { json } = await opened.call("GET", "/v1/counters/a");
    const { settingsEtag } = (json as { counter: { settingsEtag: string } }).counter;
    const patch = () =>
      opened.call("PATCH", "/v1/counters/a", {
        headers: { "if-match": `"${settingsEtag}"` },
        body: { max: 9 },
      });
    expect((await patch()).status).toBe(200);
    expect((await patch()).error?.metadata.settings_etag).toMatch(/\.s2$/);
  });

  it("If-Match: * asks that there is a counter", async () => {
    await using opened = await openRest();
    const headers = { "if-match": "*" };
    for (const verb of ["increment", "decrement", "reset", "set"]) {
      const body = verb === "set" ? { value: 1 } : {};
      expect((await opened.call("POST", `/v1/counters/a:${verb}`, { headers, body })).status).toBe(404);
    }
    await opened.call("POST", path);
    expect((await opened.call("POST", path, { headers })).status).toBe(200);
    expect((await opened.call("PUT", "/counters/a", { headers })).status).toBe(200);
  });

  it.each<[string, string, Record<string, string>]>([
    ["POST", path, { "if-match": '"x"' }],
    ["POST", "/counters/a/decrement", { "if-match": '"x"' }],
    ["POST", "/v1/counters:batchApply", { "if-match": "*" }],
    ["POST", "/v1/counters/a:reset", { "if-match": 'W/"x"' }],
    ["POST", "/v1/counters/a:reset", { "if-match": '"x", "y"' }],
    ["POST", "/v1/counters/a:reset", { "if-match": "x, y" }],
    ["POST", "/v1/counters/a:reset", { "if-match": "" }],
    ["POST", "/v1/counters/a:reset", { "if-none-match": "*" }],
    ["DELETE", "/v1/counters/a", { "if-none-match": '"x"' }],
  ])("a condition that is not kept is refused: %s %s %s", async (method, at, headers) => {
    await using opened = await openRest();
    await opened.client.increment({ name: "a" });
    const { status, error } = await opened.call(method, at, { headers });
    expect([status, error?.reason, error?.metadata.field]).toEqual([
      400,
      "INVALID_FIELD",
      expect.stringMatching(/^If-(None-)?Match$/),
    ]);
    expect((await opened.client.getCounter({ name: "a" })).counter?.value).toBe(1n);
  });

  it("If-None-Match: * is what a creation asks for anyway", async () => {
    await using opened = await openRest();
    const create = () =>
      opened.call("POST", "/v1/counters", { headers: { "if-none-match": "*" }, body: { name: "a" } });
    expect([(await create()).status, (await create()).status]).toEqual([200, 409]);
  });

  it("answers are neither cached nor taken for what they are not", async () => {
    await using opened = await openRest();
    for (const { headers, bytes } of [
      await opened.call("POST", path),
      await opened.call("GET", "/v1/counters/none"),
    ]) {
      expect(headers).toMatchObject({
        "content-type": "application/json",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "content-length": `${bytes.length}`,
      });
    }
  });
});

describe("a timeout", () => {
  it.each([
    { "connect-timeout-ms": "0" },
    { "grpc-timeout": "0S" },
    { "grpc-timeout": "1H", "connect-timeout-ms": "0" },
  ])("counts over REST as well: %s", async (headers) => {
    await using opened = await openRest();
    for (const path of ["/v1/counters/a:increment", "/counters/a/increment"]) {
      const { status, error } = await opened.call("POST", path, { headers });
      expect([status, error?.reason]).toEqual([504, "DEADLINE_PASSED"]);
      expect((await opened.call("POST", path, { headers: { "grpc-timeout": "1x" } })).error?.reason).toBe(
        "INVALID_FIELD",
      );
    }
    expect((await opened.call("GET", "/v1/counters/a")).status).toBe(404);
  });
});

describe("statuses", () => {
  it.each([
    ["STORE_UNAVAILABLE", 503, "UNAVAILABLE", undefined],
    ["OUTCOME_UNKNOWN", 503, "UNAVAILABLE", undefined],
    ["DRAINING", 503, "UNAVAILABLE", undefined],
    ["QUEUE_FULL", 429, "RESOURCE_EXHAUSTED", "2"],
    ["REQUEST_IDS_FULL", 429, "RESOURCE_EXHAUSTED", "2"],
    ["DEADLINE_PASSED", 504, "DEADLINE_EXCEEDED", undefined],
    ["ROW_CORRUPT", 500, "DATA_LOSS", undefined],
  ] as const)("%s is %d %s", async (reason, http, status, retryAfter) => {
    await using opened = await openRest({ store: failingStore, writer: failingWriter });
    for (const path of [`/v1/counters/fails.${reason}:increment`, `/counters/fails.${reason}/increment`]) {
      const got = await opened.call("POST", path);
      expect([got.status, got.error?.code, got.error?.status, got.error?.reason]).toEqual([
        http,
        http,
        status,
        reason,
      ]);
      expect(got.headers["retry-after"]).toBe(retryAfter);
    }
  });

  it("follow the table of the documentation", async () => {
    await using opened = await openRest();
    const { call } = opened;
    await call("POST", "/v1/counters", {
      body: { name: "full", initial: 5, min: 5, max: 5, monotonic: true },
    });
    const table: [() => Promise<Got>, number, string, string][] = [
      [() => call("POST", "/v1/counters/-:increment"), 400, "INVALID_ARGUMENT", "INVALID_FIELD"],
      [() => call("GET", "/v1/counters/none"), 404, "NOT_FOUND", "COUNTER_NOT_FOUND"],
      [
        () => call("POST", "/v1/counters", { body: { name: "full" } }),
        409,
        "ALREADY_EXISTS",
        "COUNTER_EXISTS",
      ],
      [
        () => call("POST", "/v1/counters/full:reset", { body: { etag: "x" } }),
        409,
        "ABORTED",
        "ETAG_MISMATCH",
      ],
      [() => call("POST", "/v1/counters/full:increment"), 400, "OUT_OF_RANGE", "ABOVE_MAX"],
      [() => call("POST", "/v1/counters/full:decrement"), 400, "FAILED_PRECONDITION", "MONOTONIC"],
      [
        () => call("POST", "/v1/counters/full:set", { body: { value: 9 } }),
        400,
        "OUT_OF_RANGE",
        "VALUE_OUTSIDE_BOUNDS",
      ],
      [
        () => call("POST", "/v1/counters/full:set", { body: { value: 5, note: "n".repeat(70_000) } }),
        413,
        "RESOURCE_EXHAUSTED",
        "MESSAGE_TOO_LARGE",
      ],
      [
        () =>
          call("POST", "/v1/counters/full:increment", {
            headers: { "content-type": "text/plain" },
            body: "1",
          }),
        415,
        "INVALID_ARGUMENT",
        "MEDIA_TYPE_NOT_SUPPORTED",
      ],
    ];
    for (const [sent, http, status, reason] of table) {
      const got = await sent();
      expect([got.status, got.error?.status, got.error?.reason]).toEqual([http, status, reason]);
    }
  });
});
