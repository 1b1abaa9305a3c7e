/** Connect and gRPC-Web, sent to the byte: what connect-node's own client never sends. */
import { once } from "node:events";
import { request } from "node:http";
import { brotliCompressSync, gunzipSync, gzipSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import {
  CreateCounterRequestSchema,
  GetCounterRequestSchema,
  GetCounterResponseSchema,
  IncrementRequestSchema,
  IncrementResponseSchema,
} from "../../gen/tally/v1/counter_service_pb.ts";
import { gate, type Opened, open } from "./door.ts";
import { byEngine } from "./engine.ts";
import { type Got, type Sent, send } from "./http.ts";
import { framed } from "./raw.ts";

const SERVICE = "/tally.v1.CounterService";
const INCREMENT = toBinary(IncrementRequestSchema, create(IncrementRequestSchema, { name: "a", amount: 5n }));
const GET = toBinary(GetCounterRequestSchema, create(GetCounterRequestSchema, { name: "a" }));
const JSON_TYPE = { "content-type": "application/json" };
const PROTO_TYPE = { "content-type": "application/proto" };
const WEB_TYPE = { "content-type": "application/grpc-web+proto" };

const post = (opened: Opened, headers: Sent["headers"], body: Sent["body"], method = "Increment") =>
  send(opened.door.port, {
    method: "POST",
    path: `${SERVICE}/${method}`,
    headers: headers ?? {},
    body: body ?? "",
  });
const get = (opened: Opened, query: string, headers: Sent["headers"] = {}) =>
  send(opened.door.port, { path: `${SERVICE}/GetCounter?${query}`, headers });

/** What an error of Connect says beside its code. */
function infoIn({ json }: Got) {
  const [info] = (json as { details?: { type: string; value: string }[] }).details ?? [];
  return info && fromBinary(ErrorInfoSchema, Buffer.from(info.value, "base64"));
}
const reasonIn = (got: Got) => infoIn(got)?.reason;
const codeIn = ({ json }: Got) => (json as { code: string }).code;

/** The frames of an answer of gRPC-Web: its message, and its trailers as text. */
function framesOf({ bytes }: Got) {
  const frames: { flags: number; data: Buffer }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    frames.push({ flags: bytes[at]!, data: bytes.subarray(at + 5, end) });
    at = end;
  }
  return frames;
}

/** The status of an answer of gRPC-Web. */
function webStatus(got: Got): string {
  if (got.headers["grpc-status"] !== undefined) return `${got.headers["grpc-status"]}`;
  const trailers = framesOf(got).find(({ flags }) => (flags & 0x80) !== 0)!;
  return /grpc-status: *(\d+)/i.exec(trailers.data.toString())![1]!;
}

/** The reason in an error of gRPC-Web. */
function webReason(got: Got): string | undefined {
  const trailers = framesOf(got).find(({ flags }) => (flags & 0x80) !== 0)?.data;
  const [, details] = /grpc-status-details-bin: *([^\r]*)/i.exec(`${trailers}`) ?? [];
  const status = fromBinary(StatusSchema, Buffer.from(details ?? "", "base64"));
  return anyUnpack(status.details[0]!, ErrorInfoSchema)?.reason;
}

const valueNow = async ({ client }: Opened) => (await client.getCounter({ name: "a" })).counter?.value;

describe("a content type", () => {
  it.each([
    "application/connect+json",
    "application/connect+proto",
    ...byEngine({ "grpc-js": ["application/grpc", "application/grpc+proto"], own: [] }), // It is gRPC, over HTTP/2.
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
    "application/grpc-webx",
    "application/grpc-web+protox",
    "application/grpc-web+thrift",
    "application/grpc-web proto",
    "application/grpcweb",
    "application/protox",
    "application/proto+json",
    "application/jsonx",
    "application/json+proto",
    "application/json, application/proto",
    "application/json charset=utf-8",
    "application/json; charset =latin1",
    "application/json; utf-8",
    "application/json/x",
    " application/ json",
    "application/protobuf",
    "application/json; charset=latin1",
    "text/plain",
    "x".repeat(1_000),
    "",
  ])("that a unary call does not have is 415: %s", async (type) => {
    await using opened = await open();
    const got = await post(opened, { "content-type": type }, '{"name":"a"}');
    expect([got.status, got.error?.reason]).toEqual([415, "MEDIA_TYPE_NOT_SUPPORTED"]);
    expect(got.error!.message).toContain(
      "must be application/proto, application/json or application/grpc-web+proto",
    );
    expect((await opened.store.get(["a"]))[0]).toBeUndefined();
    expect(got.error!.message.length).toBeLessThan(250);
    expect(opened.logged).toEqual([]);
  });

  it.each(["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"])(
    "of JSON may say UTF-8: %s",
    async (type) => {
      await using opened = await open();
      const got = await post(opened, { "content-type": type }, '{"name":"a"}');
      expect([got.status, got.headers["content-type"]]).toEqual([200, "application/json"]);
    },
  );
});

describe("a version of Connect", () => {
  it.each(["2", "0", "", "1.0", "v1", "01", " 1 2", "x".repeat(1_000)])(
    "that is not 1 is refused: '%s'",
    async (version) => {
      await using opened = await open();
      const header = { "connect-protocol-version": version };
      for (const type of [JSON_TYPE, PROTO_TYPE]) {
        const got = await post(
          opened,
          { ...type, ...header },
          type === JSON_TYPE ? '{"name":"a"}' : INCREMENT,
        );
        expect([got.status, codeIn(got), reasonIn(got)]).toEqual([400, "invalid_argument", "INVALID_FIELD"]);
        expect((got.json as { message: string }).message).toMatch(
          /^Connect-Protocol-Version must be 1, got /,
        );
      }
      const message = encodeURIComponent('{"name":"a"}');
      const inQuery = version === "v1" ? "1" : version;
      for (const got of [
        await get(opened, `encoding=json&message=${message}`, header),
        await get(opened, `encoding=json&message=${message}&connect=${encodeURIComponent(inQuery)}`),
      ]) {
        expect([got.status, codeIn(got), reasonIn(got)]).toEqual([400, "invalid_argument", "INVALID_FIELD"]);
      }
      expect((await opened.store.get(["a"]))[0]).toBeUndefined();
    },
  );

  it("that is 1 is taken, and so is none", async () => {
    await using opened = await open();
    for (const header of [{}, { "connect-protocol-version": "1" }]) {
      expect((await post(opened, { ...JSON_TYPE, ...header }, '{"name":"a"}')).status).toBe(200);
      const query = `encoding=json&message=${encodeURIComponent('{"name":"a"}')}`;
      expect((await get(opened, `${query}&connect=v1`, header)).status).toBe(200);
    }
  });
});

describe("HEAD", () => {
  it("is for what has a GET", async () => {
    await using opened = await open();
    const query = `?encoding=json&message=${encodeURIComponent('{"prefix":"a"}')}`;
    const path = `${SERVICE}/ListCounters${query}`;
    const [got, head] = [
      await send(opened.door.port, { path }),
      await send(opened.door.port, { method: "HEAD", path }),
    ];
    expect([head.status, head.bytes.length]).toEqual([200, 0]);
    expect({ ...head.headers, date: "" }).toEqual({ ...got.headers, date: "" });
    const change = await send(opened.door.port, { method: "HEAD", path: `${SERVICE}/Increment${query}` });
    expect([change.status, change.headers.allow]).toEqual([405, "POST"]);
  });
});

describe("an operation of a batch that was refused", () => {
  const BATCH = {
    operations: [
      { name: "full", increment: "2" },
      { name: "zero", set: "0" },
    ],
    requestId: "b-1",
  };
  const ways: readonly (readonly [string, (opened: Opened) => Promise<unknown>])[] = [
    [
      "REST",
      async ({ door }) =>
        (await send(door.port, { method: "POST", path: "/v1/counters:batchApply", body: BATCH })).json,
    ],
    ["Connect", async (opened) => (await post(opened, JSON_TYPE, BATCH, "BatchApply")).json],
    [
      "gRPC-Web",
      async (opened) => {
        const body = framed(Buffer.from(JSON.stringify(BATCH)));
        const got = await post(opened, { "content-type": "application/grpc-web+json" }, body, "BatchApply");
        return JSON.parse(`${framesOf(got)[0]!.data}`);
      },
    ],
  ];

  it.each(ways)(
    "has its name and the refusal in JSON, and no value that it never had: %s",
    async (_, ask) => {
      await using opened = await open();
      await opened.client.createCounter({ name: "full", value: 9n, max: 10n });
      for (const replayed of [false, true]) {
        const answer = (await ask(opened)) as { outcomes: object[] };
        expect(answer).toMatchObject({ replayed });
        expect(answer.outcomes.map((outcome) => Object.keys(outcome))).toEqual([
          ["name", "refusal"],
          ["name", "value", "previous", "revision"],
        ]);
        expect(answer.outcomes[1]).toEqual({ name: "zero", value: "0", previous: "0", revision: "1" });
      }
    },
  );
});

describe("compression", () => {
  it("of requests is gzip or brotli", async () => {
    await using opened = await open();
    const sent = [
      [{ ...PROTO_TYPE, "content-encoding": "gzip" }, gzipSync(INCREMENT)],
      [{ ...PROTO_TYPE, "content-encoding": "br" }, brotliCompressSync(INCREMENT)],
      [{ ...JSON_TYPE, "content-encoding": "gzip" }, gzipSync('{"name":"a","amount":5}')],
      [{ ...JSON_TYPE, "content-encoding": "identity" }, '{"name":"a","amount":5}'],
      [{ ...WEB_TYPE, "grpc-encoding": "gzip" }, framed(gzipSync(INCREMENT), 1)],
      [{ ...WEB_TYPE, "grpc-encoding": "gzip" }, framed(INCREMENT, 0)],
    ] as const;
    for (const [headers, body] of sent) expect((await post(opened, headers, body)).status).toBe(200);
    expect(await valueNow(opened)).toBe(30n);
  });

  it("of answers is what the caller accepts, where it is worth it", async () => {
    await using opened = await open();
    const body = { name: "a", description: "d".repeat(1_000), labels: { k: "v".repeat(200) } };
    await post(opened, JSON_TYPE, body, "CreateCounter");
    const plain = await post(opened, JSON_TYPE, { name: "a" }, "GetCounter");
    const zipped = await post(
      opened,
      { ...JSON_TYPE, "accept-encoding": "gzip" },
      { name: "a" },
      "GetCounter",
    );
    expect([plain.headers["content-encoding"], zipped.headers["content-encoding"]]).toEqual([
      undefined,
      "gzip",
    ]);
    expect(gunzipSync(zipped.bytes)).toEqual(plain.bytes);
    const web = await post(
      opened,
      { ...WEB_TYPE, "grpc-accept-encoding": "gzip" },
      framed(GET),
      "GetCounter",
    );
    expect(web.headers["grpc-encoding"]).toBe("gzip");
    const [message] = framesOf(web);
    expect(message!.flags).toBe(1);
    expect(fromBinary(GetCounterResponseSchema, gunzipSync(message!.data)).counter?.description).toBe(
      "d".repeat(1_000),
    );
    const small = await post(opened, { ...JSON_TYPE, "accept-encoding": "gzip" }, { name: "b" });
    expect(small.headers["content-encoding"]).toBeUndefined();
    const unknown = await post(
      opened,
      { ...JSON_TYPE, "accept-encoding": "zstd" },
      { name: "a" },
      "GetCounter",
    );
    expect(unknown.headers["content-encoding"]).toBeUndefined();
  });

  it.each([
    ["gzip that is none", { ...PROTO_TYPE, "content-encoding": "gzip" }, INCREMENT],
    ["gzip that is cut", { ...PROTO_TYPE, "content-encoding": "gzip" }, gzipSync(INCREMENT).subarray(0, -9)],
    ["gzip of JSON that is none", { ...JSON_TYPE, "content-encoding": "gzip" }, Buffer.from("{}")],
  ])("that cannot be undone is refused: %s", async (_, headers, body) => {
    await using opened = await open();
    const got = await post(opened, headers, body);
    expect([got.status, codeIn(got), reasonIn(got)]).toEqual([400, "invalid_argument", "MALFORMED_MESSAGE"]);
    expect(opened.logged).toEqual([]);
  });

  it.each([
    ["one", "zstd", INCREMENT],
    ["two of one", "gzip, gzip", gzipSync(gzipSync(INCREMENT))],
    ["a long one", "x".repeat(1_000), INCREMENT],
  ])(
    "that is not known is unimplemented, and those that are known are told: %s",
    async (_, encoding, body) => {
      await using opened = await open();
      const KNOWN = "supported encodings are gzip,br";
      const got = await post(opened, { ...PROTO_TYPE, "content-encoding": encoding }, body);
      const { code, message } = got.json as { code: string; message: string };
      expect([got.status, code, reasonIn(got)]).toEqual([501, "unimplemented", "ENCODING_NOT_SUPPORTED"]);
      expect(message).toContain(KNOWN);
      expect(message.length).toBeLessThan(250);
      // Also in a frame that says that it is not compressed.
      for (const frame of [framed(body, 1), framed(INCREMENT, 0)]) {
        const web = await post(opened, { ...WEB_TYPE, "grpc-encoding": encoding }, frame);
        expect([webStatus(web), webReason(web)]).toEqual(["12", "ENCODING_NOT_SUPPORTED"]);
      }
      const query = new URLSearchParams({ encoding: "json", message: '{"name":"a"}', compression: encoding });
      const read = await send(opened.door.port, { path: `/tally.v1.CounterService/GetCounter?${query}` });
      expect([read.status, codeIn(read), reasonIn(read)]).toEqual([
        501,
        "unimplemented",
        "ENCODING_NOT_SUPPORTED",
      ]);
      expect((await opened.store.get(["a"]))[0]).toBeUndefined();
      expect(opened.logged).toEqual([]);
    },
  );

  it("of a whole body is not what gRPC-Web has", async () => {
    await using opened = await open();
    const got = await post(opened, { ...WEB_TYPE, "content-encoding": "gzip" }, framed(INCREMENT));
    expect([webStatus(got), webReason(got)]).toEqual(["12", "ENCODING_NOT_SUPPORTED"]);
    expect((await opened.store.get(["a"]))[0]).toBeUndefined();
  });

  it("does not hide a size: what would grow too large is stopped there", async () => {
    await using opened = await open();
    const bomb = gzipSync(Buffer.alloc(50 * 2 ** 20));
    for (const headers of [PROTO_TYPE, JSON_TYPE]) {
      const got = await post(opened, { ...headers, "content-encoding": "gzip" }, bomb);
      expect(reasonIn(got)).toBe("MESSAGE_TOO_LARGE");
    }
    expect(webStatus(await post(opened, { ...WEB_TYPE, "grpc-encoding": "gzip" }, framed(bomb, 1)))).toBe(
      "8",
    );
  });

  it.each([
    ["Increment", "proto", 64 * 1024],
    ["BatchApply", "proto", 4 * 2 ** 20],
    ["Increment", "json", 4 * 2 ** 20], // The text; what it becomes has the limit of the method.
  ])("of %s in %s may become %i bytes", async (method, type, bytesMax) => {
    await using opened = await open();
    const headers = { "content-type": `application/${type}`, "content-encoding": "gzip" };
    for (const size of [bytesMax + 1, 5 * 2 ** 20]) {
      const over = await post(opened, headers, gzipSync(Buffer.alloc(size)), method);
      expect([reasonIn(over), infoIn(over)?.metadata.max_size]).toEqual(["MESSAGE_TOO_LARGE", `${bytesMax}`]);
    }
    expect(reasonIn(await post(opened, headers, gzipSync(Buffer.alloc(bytesMax)), method))).toBe(
      "MALFORMED_MESSAGE",
    );
  });
});

describe("a method that there is not", () => {
  const ASKED = { "connect-protocol-version": "1" };
  const WHY = "Nothing is served at this path; the method may be Increment.";

  it.each([
    ["application/proto", {}],
    ["application/proto", ASKED],
    ["application/json", ASKED],
  ])("is unimplemented to Connect in %s, %j", async (type, headers) => {
    await using opened = await open();
    const got = await post(opened, { "content-type": type, ...headers }, "", "Increase");
    expect([got.status, got.headers["content-type"], got.json]).toEqual([
      404,
      "application/json",
      { code: "unimplemented", message: WHY },
    ]);
  });

  it.each(["application/grpc-web", "application/grpc-web+json"])("is so to gRPC-Web in %s", async (type) => {
    await using opened = await open();
    const got = await post(opened, { "content-type": type }, framed(INCREMENT), "Increase");
    expect([got.status, webStatus(got)]).toEqual([200, "12"]);
    expect(got.text).not.toContain("grpc-status-details-bin");
  });

  it.each([
    ["POST", JSON_TYPE],
    ["GET", PROTO_TYPE],
  ])("is a path like any other to %s with %j", async (method, headers) => {
    await using opened = await open();
    const got = await send(opened.door.port, { method, path: `${SERVICE}/Increase`, headers });
    expect([got.status, got.error?.reason, got.error?.message]).toEqual([404, "PATH_NOT_FOUND", WHY]);
  });
});

describe("a body", () => {
  it.each<[string, Sent["headers"], Sent["body"]]>([
    ["protobuf that is none", PROTO_TYPE, Buffer.from([0x0a, 0x05, 0x61])],
    ["JSON that is none", JSON_TYPE, "{"],
    ["JSON of nothing", JSON_TYPE, ""],
    ["JSON as protobuf", PROTO_TYPE, '{"name":"a"}'],
  ])("that is %s is refused", async (_, headers, body) => {
    await using opened = await open();
    const got = await post(opened, headers, body);
    expect([got.status, codeIn(got), reasonIn(got)]).toEqual([400, "invalid_argument", "MALFORMED_MESSAGE"]);
  });

  it.each<[string, Buffer, status: string, reason: string, encoding?: string]>([
    ["nothing", Buffer.alloc(0), "12", "NOT_ONE_MESSAGE"],
    ["a cut prefix", framed(INCREMENT).subarray(0, 4), "3", "MALFORMED_MESSAGE"],
    ["a cut message", framed(INCREMENT).subarray(0, -1), "3", "MALFORMED_MESSAGE"],
    ["a length beyond the end", Buffer.from([0, 0, 0, 255, 255, ...INCREMENT]), "3", "MALFORMED_MESSAGE"],
    [
      "a length beyond all limits",
      Buffer.from([0, 255, 255, 255, 255, ...INCREMENT]),
      "8",
      "MESSAGE_TOO_LARGE",
    ],
    ["two messages", Buffer.concat([framed(INCREMENT), framed(INCREMENT)]), "12", "NOT_ONE_MESSAGE"],
    [
      "bytes behind the message",
      Buffer.concat([framed(INCREMENT), Buffer.from([0])]),
      "12",
      "NOT_ONE_MESSAGE",
    ],
    ["flags that nobody knows", framed(INCREMENT, 2), "3", "MALFORMED_MESSAGE"],
    ["the flag of trailers", framed(INCREMENT, 0x80), "3", "MALFORMED_MESSAGE"],
    ["compressed, and nobody says how", framed(gzipSync(INCREMENT), 1), "13", "COMPRESSION_UNSAID"],
    [
      "compressed, and said not to be",
      framed(gzipSync(INCREMENT), 1),
      "13",
      "COMPRESSION_UNSAID",
      "identity",
    ],
    ["no frame", Buffer.from(INCREMENT), "3", "MALFORMED_MESSAGE"],
  ])("of gRPC-Web that is %s is refused", async (_, body, status, reason, encoding) => {
    await using opened = await open();
    const got = await post(opened, { ...WEB_TYPE, ...(encoding && { "grpc-encoding": encoding }) }, body);
    expect([got.status, webStatus(got), webReason(got)]).toEqual([200, status, reason]);
    expect(await opened.client.getCounter({ name: "a" }).catch(({ code }) => code)).toBe(5);
    expect(opened.logged).toEqual([]);
  });

  it.each(["application/grpc-web", "application/grpc-web+proto"])("of %s is one frame", async (type) => {
    await using opened = await open();
    const got = await post(opened, { "content-type": type }, framed(INCREMENT));
    expect(webStatus(got)).toBe("0");
    expect(fromBinary(IncrementResponseSchema, framesOf(got)[0]!.data).outcome?.value).toBe(5n);
  });

  it("of application/grpc-web+json is one frame of JSON, and so is the answer", async () => {
    await using opened = await open();
    const type = { "content-type": "application/grpc-web+json" };
    const got = await post(opened, type, framed(Buffer.from('{"name":"a","amount":"5"}')));
    expect(webStatus(got)).toBe("0");
    expect(got.headers["content-type"]).toBe("application/grpc-web+json");
    expect(JSON.parse(framesOf(got)[0]!.data.toString())).toMatchObject({ outcome: { value: "5" } });
    const gzip = framed(gzipSync('{"name":"a"}'), 1);
    expect(webStatus(await post(opened, { ...type, "grpc-encoding": "gzip" }, gzip))).toBe("0");
    for (const wrong of ['{"name":"a","amount":9007199254740993}', '{"name":"a","nome":"b"}', "{"]) {
      expect(webStatus(await post(opened, type, framed(Buffer.from(wrong))))).toBe("3");
    }
    expect(await valueNow(opened)).toBe(6n);
  });

  it("that is too large is refused with the sizes, and takes the connection no harm", async () => {
    await using opened = await open({ limits: { batchBytesMax: 100_000 } });
    for (const headers of [PROTO_TYPE, JSON_TYPE]) {
      const got = await post(opened, headers, Buffer.alloc(100_001));
      expect([got.status, codeIn(got), reasonIn(got)]).toEqual([
        429,
        "resource_exhausted",
        "MESSAGE_TOO_LARGE",
      ]);
    }
    const unary = await post(
      opened,
      PROTO_TYPE,
      toBinary(
        CreateCounterRequestSchema,
        create(CreateCounterRequestSchema, { description: "d".repeat(70_000) }),
      ),
      "CreateCounter",
    );
    expect(reasonIn(unary)).toBe("MESSAGE_TOO_LARGE");
    expect(webStatus(await post(opened, WEB_TYPE, framed(Buffer.alloc(100_001))))).toBe("8");
  });
});

describe("GET", () => {
  const encoded = (bytes: Uint8Array) =>
    [...bytes].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
  const url64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");
  const jsonText = encodeURIComponent('{"name":"a"}');

  it.each([
    ["JSON", `encoding=json&message=${jsonText}`],
    ["JSON, said to be Connect", `connect=v1&encoding=json&message=${jsonText}`],
    ["JSON in base64", `base64=1&encoding=json&message=${url64(Buffer.from('{"name":"a"}'))}`],
    [
      "JSON in padded base64",
      `base64=1&encoding=json&message=${Buffer.from('{"name":"a" }').toString("base64")}`,
    ],
    ["protobuf", `encoding=proto&message=${encoded(GET)}`],
    ["protobuf in base64", `encoding=proto&base64=1&message=${url64(GET)}`],
    [
      "protobuf in gzip and base64",
      `encoding=proto&base64=1&compression=gzip&message=${url64(gzipSync(GET))}`,
    ],
    [
      "JSON in brotli, byte for byte",
      `encoding=json&compression=br&message=${encoded(brotliCompressSync('{"name":"a"}'))}`,
    ],
  ])("takes a message as %s", async (_, query) => {
    await using opened = await open();
    await opened.client.increment({ name: "a" });
    const got = await get(opened, query);
    expect(got.status).toBe(200);
    const json = query.includes("encoding=json");
    expect(got.headers["content-type"]).toBe(json ? "application/json" : "application/proto");
    const counter = json
      ? (got.json as { counter: { value: string } }).counter
      : fromBinary(GetCounterResponseSchema, got.bytes).counter!;
    expect(`${counter.value}`).toBe("1");
  });

  it.each([
    ["no message", "encoding=json", "INVALID_FIELD"],
    ["no encoding", `message=${jsonText}`, "INVALID_FIELD"],
    ["an unknown encoding", `encoding=xml&message=${jsonText}`, "INVALID_FIELD"],
    ["base64 that is none", "encoding=json&base64=1&message=e30!", "INVALID_FIELD"],
    ["base64 that is cut", "encoding=proto&base64=1&message=CgFhC", "INVALID_FIELD"],
    ["base64 of another alphabet", "encoding=proto&base64=1&message=Cv%2Bf", "INVALID_FIELD"],
    ["base64=0", `encoding=json&base64=0&message=${jsonText}`, "INVALID_FIELD"],
    ["two messages", `encoding=json&message=${jsonText}&message=${jsonText}`, "INVALID_FIELD"],
    ["an unknown parameter", `encoding=json&message=${jsonText}&mesage=x`, "INVALID_FIELD"],
    ["a broken escape", "encoding=json&message=%7", "MALFORMED_MESSAGE"],
    [
      "JSON with an unknown key",
      `encoding=json&message=${encodeURIComponent('{"nam":"a"}')}`,
      "INVALID_FIELD",
    ],
    ["JSON that is not UTF-8", "encoding=json&message=%7B%22name%22:%22%FF%22%7D", "MALFORMED_MESSAGE"],
  ])("refuses %s", async (_, query, reason) => {
    await using opened = await open();
    const got = await get(opened, query);
    expect([got.status, codeIn(got), reasonIn(got)]).toEqual([400, "invalid_argument", reason]);
  });

  it.each([
    ["encoding=json&message=%7", "The query must have whole escapes (%25 for %)"],
    ["encoding=json&message=%7B", "The message in the query is not JSON: it ends after 1 bytes, unfinished"],
    ["encoding=json&message=5", "The message in the query must be a JSON object"],
    [
      "encoding=proto&compression=gzip&message=a",
      "The message in the query is not gzip, as it is said to be",
    ],
  ])("says of which part it speaks: %s", async (query, says) => {
    await using opened = await open();
    expect((await get(opened, query)).json).toMatchObject({ message: `${says}; nothing was applied.` });
  });

  it("has messages in Protobuf that are as large as the method takes, whatever they were packed to", async () => {
    await using opened = await open();
    const message = gzipSync(Buffer.alloc(5 * 2 ** 20)).toString("base64url");
    const got = await get(opened, `encoding=proto&base64=1&compression=gzip&message=${message}`);
    expect([reasonIn(got), infoIn(got)?.metadata.max_size]).toEqual(["MESSAGE_TOO_LARGE", "65536"]);
  });

  it("is for what changes nothing", async () => {
    await using opened = await open();
    const got = await send(opened.door.port, {
      path: `${SERVICE}/Increment?encoding=json&message=${jsonText}`,
    });
    expect([got.status, got.headers.allow]).toEqual([405, "POST"]);
    expect(await opened.client.getCounter({ name: "a" }).catch(({ code }) => code)).toBe(5);
  });
});

describe("a timeout", () => {
  const late = async (headers: Sent["headers"]) => {
    let held: ReturnType<typeof gate>;
    await using opened = await open({
      store: (real) => {
        held = gate(real);
        return held.store;
      },
    });
    const first = opened.client.increment({ name: "first" });
    await expect.poll(() => held.count()).toBe(1);
    const call = post(opened, headers, headers === JSON_TIMEOUT ? '{"name":"a"}' : framed(INCREMENT));
    const read = post(opened, JSON_TYPE, '{"name":"a"}', "GetCounter"); // Answered after the call has come in.
    await read;
    opened.clock.advance(2_000);
    held!.open();
    await first;
    return [await call, await opened.client.getCounter({ name: "a" }).catch(({ code }) => code)] as const;
  };
  const JSON_TIMEOUT = { ...JSON_TYPE, "connect-timeout-ms": "1999" };

  it("that has passed when the batch is cut is told as such, and nothing is applied", async () => {
    const [connect, found] = await late(JSON_TIMEOUT);
    expect([connect.status, codeIn(connect), reasonIn(connect), found]).toEqual([
      504,
      "deadline_exceeded",
      "DEADLINE_PASSED",
      5,
    ]);
    const [web, foundThen] = await late({ ...WEB_TYPE, "grpc-timeout": "1999m" });
    expect([webStatus(web), foundThen]).toEqual(["4", 5]);
  });

  it.each(["0"])("of %s ms has passed at once", async (timeout) => {
    await using opened = await open();
    const got = await post(opened, { ...JSON_TYPE, "connect-timeout-ms": timeout }, '{"name":"a"}');
    expect([got.status, reasonIn(got)]).toEqual([504, "DEADLINE_PASSED"]);
  });

  it.each(["1000", "0000001000", "2147483648", "9999999999"])("of %s ms leaves time", async (timeout) => {
    await using opened = await open();
    const got = await post(opened, { ...JSON_TYPE, "connect-timeout-ms": timeout }, '{"name":"a"}');
    expect(got.status).toBe(200);
  });

  it.each(["1H", "99999999H", "60M", "30S", "5000m"])("of %s leaves time", async (timeout) => {
    await using opened = await open();
    expect(webStatus(await post(opened, { ...WEB_TYPE, "grpc-timeout": timeout }, framed(INCREMENT)))).toBe(
      "0",
    );
  });

  it.each(["", "-1", "1.5", "1e3", "10000000000", "1s", " 5 s"])(
    "that is no number is refused: '%s'",
    async (timeout) => {
      await using opened = await open();
      const got = await post(opened, { ...JSON_TYPE, "connect-timeout-ms": timeout }, '{"name":"a"}');
      expect([got.status, reasonIn(got)]).toEqual([400, "INVALID_FIELD"]);
      const web = await post(opened, { ...WEB_TYPE, "grpc-timeout": timeout }, framed(INCREMENT));
      expect(webStatus(web)).toBe("3");
      expect(await opened.client.getCounter({ name: "a" }).catch(({ code }) => code)).toBe(5);
    },
  );
});

describe("a caller that goes away", () => {
  it("before its batch is cut has nothing applied", async () => {
    let held: ReturnType<typeof gate>;
    await using opened = await open({
      store: (real) => {
        held = gate(real);
        return held.store;
      },
    });
    const first = opened.client.increment({ name: "first" });
    await expect.poll(() => held.count()).toBe(1);
    const call = request({
      port: opened.door.port,
      host: "127.0.0.1",
      path: `${SERVICE}/Increment`,
      method: "POST",
      headers: JSON_TYPE,
    });
    call.end('{"name":"a"}');
    await post(opened, JSON_TYPE, '{"name":"a"}', "GetCounter");
    const failed = once(call, "error");
    call.socket!.resetAndDestroy(); // One that only ends what it sends still waits for its answer.
    await failed;
    await post(opened, JSON_TYPE, '{"name":"a"}', "GetCounter"); // By now the server has seen it go.
    held!.open();
    await first;
    expect(await opened.client.getCounter({ name: "a" }).catch(({ code }) => code)).toBe(5);
    expect(opened.logged).toEqual([]);
  });
});
