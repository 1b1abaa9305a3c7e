/**
 * Goal: a door drops no header of a method that streams that it heeds where one message is answered by one.
 *
 * Method: a table of headers, each with what must be said of it; each row is tried with a stream that echoes at every
 * door that has it, and with a read at the same door, which must say the same.
 */
import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BatchGetCountersRequestSchema } from "../../../gen/tally/v1/counter_service_pb.ts";
import { type Opened, open } from "../../transports/door.ts";
import { echoCalls, Seen } from "../../transports/echo/calls.ts";
import { RepeatRequestSchema } from "../../transports/echo/echo_pb.ts";
import { send } from "../../transports/http.ts";
import { exchange, framed } from "../../transports/raw.ts";
import { saidIn } from "./with-headers.ts";

const STREAM = "/echo.EchoService/Repeat";
const READ = "/tally.v1.CounterService/BatchGetCounters";
const repeat = create(RepeatRequestSchema, { text: "a", times: 1n });
const names = create(BatchGetCountersRequestSchema, { names: ["a"] });

/** Of a door: its type for a stream and for one message. */
const DOORS: readonly (readonly [name: string, ofStream: string, ofOne: string])[] = [
  ["gRPC", "application/grpc", "application/grpc"],
  ["Connect", "application/connect+proto", "application/proto"],
  ["Connect, JSON", "application/connect+json", "application/json"],
  ["gRPC-Web", "application/grpc-web+proto", "application/grpc-web+proto"],
  ["gRPC-Web, JSON", "application/grpc-web+json", "application/grpc-web+json"],
];
const CONNECT = ["Connect", "Connect, JSON"];
const WEB = ["gRPC-Web", "gRPC-Web, JSON"];
const HTTP1 = [...CONNECT, ...WEB];
const EVERY = ["gRPC", ...HTTP1];

const DATE = "Thu, 01 Jan 2026 00:00:00 GMT";
const TABLE: readonly (readonly [headers: Record<string, string>, said: string, doors: readonly string[]])[] =
  [
    [{}, "OK", EVERY],
    [{ "if-match": "*" }, "INVALID_FIELD If-Match", EVERY],
    [{ "if-match": '"x"' }, "INVALID_FIELD If-Match", EVERY],
    [{ "if-none-match": "*" }, "INVALID_FIELD If-None-Match", EVERY],
    [{ "if-unmodified-since": DATE }, "INVALID_FIELD If-Unmodified-Since", EVERY],
    [{ "if-modified-since": DATE, range: "bytes=0-1", prefer: "wait=1" }, "OK", EVERY],
    [{ "idempotency-key": "k" }, "OK", EVERY],
    [{ "x-http-method-override": "GET" }, "INVALID_FIELD x-http-method-override", EVERY],
    [{ "grpc-timeout": "1" }, "INVALID_FIELD grpc-timeout", EVERY],
    [{ "connect-timeout-ms": "x" }, "INVALID_FIELD Connect-Timeout-Ms", HTTP1],
    [{ "grpc-timeout": "0m" }, "DEADLINE_PASSED", EVERY],
    [{ "connect-protocol-version": "2" }, "INVALID_FIELD Connect-Protocol-Version", CONNECT],
    [{ "connect-protocol-version": "1" }, "OK", CONNECT],
    [{ "connect-protocol-version": "2" }, "OK", ["gRPC", ...WEB]],
    [{ "content-encoding": "gzip" }, "ENCODING_NOT_SUPPORTED", ["gRPC", ...WEB]],
    [{ "content-encoding": "nonsense" }, "ENCODING_NOT_SUPPORTED", EVERY],
    [{ "grpc-encoding": "nonsense" }, "ENCODING_NOT_SUPPORTED", ["gRPC", ...WEB]],
    [{ "content-encoding": "identity" }, "OK", EVERY],
  ];
/** Behind the content type. */
const PARAMETERS: typeof TABLE = [
  [{ parameters: "; charset=utf-8" }, "OK", EVERY],
  [{ parameters: "; charset=latin1" }, "MEDIA_TYPE_NOT_SUPPORTED", ["Connect, JSON", "gRPC-Web, JSON"]],
  [{ parameters: "x" }, "MEDIA_TYPE_NOT_SUPPORTED", EVERY],
];

describe("headers of a stream, at every door", () => {
  let opened: Opened;
  beforeAll(async () => {
    opened = await open({ streamCalls: echoCalls(new Seen()) });
  });
  afterAll(() => opened[Symbol.asyncDispose]());

  const call = async (type: string, path: string, isJson: boolean, headers: Record<string, string>) => {
    const { port } = opened.door;
    const schema = path === STREAM ? RepeatRequestSchema : BatchGetCountersRequestSchema;
    const message = path === STREAM ? repeat : names;
    const bytes = isJson ? Buffer.from(toJsonString(schema, message)) : toBinary(schema, message);
    const { parameters = "", ...others } = headers;
    const sent = { "content-type": type + parameters, ...others };
    if (type === "application/grpc") {
      const { status, http, reason, metadata } = await exchange(port, path, [framed(bytes)], sent);
      if (http !== 200) return `status ${http}`;
      return status === "OK" ? "OK" : [reason, metadata.field].filter((each) => each !== undefined).join(" ");
    }
    const isFramed = path === STREAM || type.includes("grpc-web");
    const body = isFramed ? framed(bytes) : bytes;
    return saidIn(await send(port, { method: "POST", path, headers: sent, body }));
  };

  const rows = [...TABLE, ...PARAMETERS].flatMap(([headers, said, doors]) =>
    DOORS.filter(([name]) => doors.includes(name)).map((door) => ({
      door: door[0],
      headers,
      said,
      types: door,
    })),
  );
  it.each(rows)("$door $headers: $said", async ({ headers, said, types: [name, ofStream, ofOne] }) => {
    const isJson = name.endsWith("JSON");
    const expected = name === "gRPC" && said === "MEDIA_TYPE_NOT_SUPPORTED" ? "status 415" : said;
    expect(["a stream", await call(ofStream, STREAM, isJson, headers)]).toEqual(["a stream", expected]);
    expect(["a read", await call(ofOne, READ, isJson, headers)]).toEqual(["a read", expected]);
  });
});
