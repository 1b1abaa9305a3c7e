/** Every door with headers of one's own, and what it says: a value, or the reason of a refusal and the field at fault. */
import {
  type DescMessage,
  fromBinary,
  fromJson,
  getOption,
  type JsonObject,
  toBinary,
  toJson,
  toJsonString,
} from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import { http } from "../../../gen/google/api/annotations_pb.ts";
import { ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../../gen/google/rpc/status_pb.ts";
import { patternOf } from "../../../src/transports/rest/template.ts";
import type { Opened } from "../../transports/door.ts";
import { type Got, Kept, send } from "../../transports/http.ts";
import { framed } from "../../transports/raw.ts";
import { methodOf, requestOf } from "./door.ts";

export type Headers = Readonly<Record<string, string | string[]>>;

/** "OK", or "REASON field". */
export type Said = string;

export interface HeaderDoor {
  readonly name: string;
  call(
    opened: Opened,
    method: string,
    request: JsonObject,
    headers: Headers,
  ): Promise<{ said: Said; json: JsonObject }>;
}

const connections = new WeakMap<Opened, Kept>();

/** One for all calls of a test: what a connection has been told of one caller says nothing of the next. */
function connectionTo(opened: Opened): Kept {
  const on = connections.get(opened) ?? new Kept();
  connections.set(opened, on);
  return on;
}

const pathOf = (method: string) => `/${methodOf(method).parent.typeName}/${method}`;

function connect(name: string, contentType: string): HeaderDoor {
  const [isWeb, isJson] = [contentType.includes("grpc-web"), contentType.includes("json")];
  return {
    name,
    async call(opened, method, request, headers) {
      const { input, output } = methodOf(method);
      const message = requestOf(method, request);
      const bytes = isJson ? Buffer.from(toJsonString(input, message)) : toBinary(input, message);
      const got = await send(opened.door.port, {
        on: connectionTo(opened),
        method: "POST",
        path: pathOf(method),
        headers: { "content-type": contentType, ...headers },
        body: isWeb ? framed(bytes) : bytes,
      });
      return isWeb && got.status === 200 ? ofWeb(got, output, isJson) : ofConnect(got, output, isJson);
    },
  };
}

function ofConnect(got: Got, output: DescMessage, isJson: boolean): { said: Said; json: JsonObject } {
  if (got.status === 200)
    return { said: "OK", json: isJson ? (got.json as JsonObject) : jsonOf(output, got.bytes) };
  if (got.error !== undefined) return { said: saidOf(got.error), json: {} };
  const { details } = got.json as {
    details: { debug: { reason: string; metadata?: Record<string, string> } }[];
  };
  return { said: saidOf(details[0]!.debug), json: {} };
}

function ofWeb(
  { bytes, headers }: Got,
  output: DescMessage,
  isJson: boolean,
): { said: Said; json: JsonObject } {
  const frames: { flags: number; data: Buffer }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    frames.push({ flags: bytes[at]!, data: bytes.subarray(at + 5, end) });
    at = end;
  }
  const trailers = `${frames.find(({ flags }) => flags === 0x80)?.data}`;
  const details =
    /grpc-status-details-bin: *([^\r]*)/.exec(trailers)?.[1] ??
    headers["grpc-status-details-bin"]?.toString();
  if (details !== undefined) return { said: ofStatus(Buffer.from(details, "base64")), json: {} };
  const { data } = frames[0]!;
  return { said: "OK", json: isJson ? JSON.parse(`${data}`) : jsonOf(output, data) };
}

/** What an answer over HTTP/1.1 says, of whatever protocol: an error in its body, in its trailers, or in its last frame. */
export function saidIn({ bytes, headers, error }: Got): Said {
  if (error !== undefined) return saidOf(error);
  const text = bytes.toString("latin1");
  const details =
    /grpc-status-details-bin: *([^\r]*)/.exec(text)?.[1] ?? headers["grpc-status-details-bin"]?.toString();
  if (details !== undefined) return ofStatus(Buffer.from(details, "base64"));
  // Of Connect: all of the body, or of a stream the last frame, which holds the error.
  const json = text.slice(Math.max(text.lastIndexOf('{"error":'), 0));
  const { error: last, details: ofOne } = json.startsWith("{") ? JSON.parse(json) : {};
  const [first] = last?.details ?? ofOne ?? [];
  return first === undefined ? "OK" : saidOf(first.debug);
}

function jsonOf(output: DescMessage, bytes: Uint8Array): JsonObject {
  return toJson(output, fromBinary(output, bytes), { alwaysEmitImplicit: true }) as JsonObject;
}

function ofStatus(bytes: Uint8Array): Said {
  const [detail] = fromBinary(StatusSchema, bytes).details;
  return saidOf(anyUnpack(detail!, ErrorInfoSchema)!);
}

function saidOf({
  reason,
  metadata,
}: {
  reason: string | undefined;
  metadata?: Record<string, string>;
}): Said {
  return [reason, metadata?.field].filter((each) => each !== undefined).join(" ");
}

const GRPC: HeaderDoor = {
  name: "gRPC",
  call({ client }, method, request, headers) {
    const { input, output } = methodOf(method);
    const metadata = new grpc.Metadata();
    for (const [name, values] of Object.entries(headers)) {
      for (const value of [values].flat()) metadata.add(name, value);
    }
    const bytes = Buffer.from(toBinary(input, fromJson(input, request)));
    const { promise, resolve, reject } = Promise.withResolvers<{ said: Said; json: JsonObject }>();
    const same = (each: Buffer) => each;
    client.grpc.makeUnaryRequest(pathOf(method), same, same, bytes, metadata, {}, (error, answer) => {
      const [details] = error?.metadata.get("grpc-status-details-bin") ?? [];
      if (error === null) resolve({ said: "OK", json: jsonOf(output, answer!) });
      else if (details === undefined) reject(error);
      else resolve({ said: ofStatus(details as Buffer), json: {} });
    });
    return promise;
  },
};

/** The method and path of each change, over REST and on the short paths. */
const REST_PATHS: Readonly<Record<string, (name: string) => readonly [string, string]>> = {
  Increment: (name) => ["POST", `/v1/counters/${name}:increment`],
  Decrement: (name) => ["POST", `/v1/counters/${name}:decrement`],
  Set: (name) => ["POST", `/v1/counters/${name}:set`],
  Reset: (name) => ["POST", `/v1/counters/${name}:reset`],
  UpdateCounter: (name) => ["PATCH", `/v1/counters/${name}`],
  DeleteCounter: (name) => ["DELETE", `/v1/counters/${name}`],
  CreateCounter: () => ["POST", "/v1/counters"],
  TakeLimit: (name) => ["POST", `/v1/limits/${name}:take`],
  TakeLimits: () => ["POST", "/v1/limits:take"],
  GiveBackLimit: (name) => ["POST", `/v1/limits/${name}:giveBack`],
  SetPolicy: () => ["PUT", "/v1/policies"],
  DeletePolicy: (prefix) => ["DELETE", `/v1/policies?prefix=${prefix}`],
  BatchApply: () => ["POST", "/v1/counters:batchApply"],
  BatchGetCounters: () => ["POST", "/v1/counters:batchGet"],
};
const SHORT_PATHS: typeof REST_PATHS = {
  Increment: (name) => ["POST", `/counters/${name}/increment`],
  Decrement: (name) => ["POST", `/counters/${name}/decrement`],
  Set: (name) => ["PUT", `/counters/${name}`],
  Reset: (name) => ["PUT", `/counters/${name}`],
};

/** Those of the reads that are a GET. */
const READ_PATHS: typeof REST_PATHS = {
  GetCounter: (name) => ["GET", `/v1/counters/${name}`],
  QueryHistory: (name) => ["GET", `/v1/history/${name}`],
  ListChanges: (name) => ["GET", `/v1/changes/${name}`],
  GetPolicy: (prefix) => ["GET", `/v1/policies:get?prefix=${prefix}`],
  ListPolicies: (prefix) => ["GET", `/v1/policies?prefix=${prefix}`],
  ListCounters: (prefix) => ["GET", `/v1/counters?prefix=${prefix}`],
  TopCounters: (prefix) => ["GET", `/v1/counters:top?prefix=${prefix}`],
  SumCounters: (prefix) => ["GET", `/v1/counters:sum?prefix=${prefix}`],
};
const SHORT_READ_PATHS: typeof REST_PATHS = { GetCounter: (name) => ["GET", `/counters/${name}`] };

function rest(
  name: string,
  paths: typeof REST_PATHS,
): HeaderDoor & { readonly has: (method: string) => boolean } {
  return {
    name,
    has: (method) => method in paths,
    async call(opened, method, request, headers) {
      const [verb, path] = paths[method]!(`${request.name ?? request.prefix}`);
      const { name: _, ...body } = request;
      const sent = path === "/v1/counters" ? request : body;
      const got = await send(opened.door.port, {
        on: connectionTo(opened),
        method: verb,
        path,
        headers,
        ...(verb !== "DELETE" && verb !== "GET" && { body: sent }),
      });
      return { said: got.status === 200 ? "OK" : saidOf(got.error!), json: got.json as JsonObject };
    },
  };
}

const REST = rest("REST", REST_PATHS);
const SHORT = rest("the short paths", SHORT_PATHS);

const CONNECT: readonly HeaderDoor[] = [
  connect("Connect, JSON", "application/json"),
  connect("Connect, Protobuf", "application/proto"),
  connect("gRPC-Web", "application/grpc-web+proto"),
  connect("gRPC-Web, JSON", "application/grpc-web+json"),
];

/** Those that a method has a way through, and at which what its headers say is about the request. */
export function doorsOf(method: string): readonly HeaderDoor[] {
  return [GRPC, ...CONNECT, ...[REST, SHORT].filter(({ has }) => has(method))];
}

/** The same of a method that is about callers: all but the short paths. */
export function adminDoorsOf(method: string): readonly HeaderDoor[] {
  return [GRPC, ...CONNECT, ANNOTATED(method)];
}

/** REST by the annotation of a method. */
const ANNOTATED = (method: string): HeaderDoor => ({
  name: "REST",
  async call(opened, _, request, headers) {
    const rule = getOption(methodOf(method), http);
    const [verb, template] = patternOf(rule);
    const rest = { ...request };
    const path = template.replace(/\{(\w+)\}/, (__, field: string) => {
      const { [field]: value } = rest;
      delete rest[field];
      return encodeURIComponent(`${value}`);
    });
    const query = new URLSearchParams(rest as Record<string, string>);
    const hasBody = rule.body !== "";
    const got = await send(opened.door.port, {
      on: connectionTo(opened),
      method: verb,
      path: hasBody ? path : `${path}?${query}`,
      headers,
      ...(hasBody && { body: rest }),
    });
    return { said: got.status === 200 ? "OK" : saidOf(got.error!), json: got.json as JsonObject };
  },
});

/** All that a method has a way through, with a GET where that is what reads. */
export function everyDoorOf(method: string): readonly HeaderDoor[] {
  const reads = [rest("REST, GET", READ_PATHS), rest("the short paths, GET", SHORT_READ_PATHS)];
  return [...doorsOf(method), ...reads.filter(({ has }) => has(method))];
}
