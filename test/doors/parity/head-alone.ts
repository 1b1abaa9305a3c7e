/**
 * The heads of calls by hand, at every door of HTTP: over HTTP/1.1, and over HTTP/2 where our own engine has the same; and the
 * bodies behind them, piece by piece and without an end.
 */
import { once } from "node:events";
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import {
  connect,
  type IncomingHttpHeaders as IncomingHttp2Headers,
  type OutgoingHttpHeaders,
} from "node:http2";
import type { Authorise } from "../../../src/transports/calls/authorise.ts";
import { ENGINE } from "../../transports/engine.ts";
import { type Got, gotOf } from "../../transports/http.ts";
import { saidIn } from "./with-headers.ts";

/** Whoever says who they are may do all. */
export const authorise: Authorise = ({ headerOf }) => {
  const caller = headerOf("x-caller");
  return caller === undefined ? { code: "CREDENTIAL_MISSING" } : { caller };
};

export type Headers = Readonly<Record<string, string | string[]>>;

/** What a head has that is refused. */
export interface Fault {
  readonly headers: Headers;
  readonly said: string;
  readonly method?: string;
  readonly path?: string;
  readonly query?: string;
  /** What it cannot be told of: gRPC's own client hides it, or its engine tells it otherwise. */
  readonly notByGrpc?: true;
  /** Where alone it is one; undefined: everywhere. */
  readonly at?: readonly string[];
}

export interface Door {
  readonly kind: "gRPC" | "one message" | "stream";
  readonly path: string;
  readonly type: string;
}

export const DOORS: Readonly<Record<string, Door>> = {
  REST: { kind: "one message", path: "/v1/counters/a:increment", type: "application/json" },
  "the short paths": { kind: "one message", path: "/counters/a/increment", type: "application/json" },
  "Connect, JSON": {
    kind: "one message",
    path: "/tally.v1.CounterService/Increment",
    type: "application/json",
  },
  "Connect, Protobuf": {
    kind: "one message",
    path: "/tally.v1.CounterService/Increment",
    type: "application/proto",
  },
  "gRPC-Web": {
    kind: "one message",
    path: "/tally.v1.CounterService/Increment",
    type: "application/grpc-web+proto",
  },
  "REST, a stream": { kind: "one message", path: "/v1/counters:reset", type: "application/json" },
  // Its answer begins with a head of 200 before anybody is judged, and what comes then is dropped.
  "Connect, a stream": {
    kind: "stream",
    path: "/tally.v1.BulkService/ResetCounters",
    type: "application/connect+json",
  },
};

export const EXPECTING: Headers = { expect: "100-continue" };

/** A request, or as much of one as is sent. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  /** Of its body; default none. */
  readonly pieces?: readonly Buffer[];
  /** Whether it ends behind them. */
  readonly ends?: true;
}

/** The head of a call whose body of 90 bytes never comes. @param more  headers beside those of the door and the fault */
export function headOf({ type, path }: Door, fault: Partial<Fault> = {}, more: Headers = {}): Asked {
  const headers = {
    "content-type": type,
    "x-caller": "c",
    "content-length": "90",
    ...fault.headers,
    ...more,
  };
  return {
    method: fault.method ?? "POST",
    path: `${fault.path ?? path}${fault.query ?? ""}`,
    headers: Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== "")),
  };
}

/** What an answer says, and whether its caller was told to go on before. */
export interface Answered {
  readonly told: { readonly said: string; readonly wentOn: boolean };
  readonly got: Got;
}

/** @returns  with whether the answer ends the connection */
export async function over1(
  port: number,
  { pieces = [], ends, ...asked }: Asked,
): Promise<Answered & { readonly ends: boolean }> {
  const agent = new Agent({ keepAlive: true }); // Or the client itself would ask for the end.
  const call = request({ host: "127.0.0.1", port, agent, ...asked });
  call.setNoDelay(true);
  let wentOn = false;
  call.on("continue", () => {
    wentOn = true;
  });
  call.on("error", () => {}); // It is given up in the end.
  call.flushHeaders();
  for (const piece of pieces) await new Promise((sent) => call.write(piece, sent));
  if (ends) call.end();
  const [response] = (await once(call, "response")) as [IncomingMessage];
  const { statusCode, headers } = response;
  const got = gotOf(statusCode!, headers, Buffer.concat(await response.toArray()));
  agent.destroy();
  return { told: { said: saidIn(got), wentOn }, ends: headers.connection === "close", got };
}

/** The same over HTTP/2, where a connection goes on whatever comes of a request. */
async function over2(port: number, { method, path, headers, pieces = [], ends }: Asked): Promise<Answered> {
  const session = connect(`http://127.0.0.1:${port}`);
  const call = session.request(
    { ":method": method, ":path": path, ...(headers as OutgoingHttpHeaders) },
    { endStream: false },
  );
  let wentOn = false;
  call.on("continue", () => {
    wentOn = true;
  });
  call.on("error", () => {}); // It is given up in the end.
  for (const piece of pieces) call.write(piece);
  if (ends) call.end();
  const [{ ":status": status, ...rest }] = (await once(call, "response")) as [IncomingHttp2Headers];
  const bytes = Buffer.concat(await call.toArray());
  session.destroy();
  const got = gotOf(Number(status), rest as IncomingHttpHeaders, bytes);
  return { told: { said: saidIn(got), wentOn }, got };
}

/** What is answered by each engine that has all doors. */
export async function everywhere(port: number, asked: Asked): Promise<Answered[]> {
  return [await over1(port, asked), ...(ENGINE === "own" ? [await over2(port, asked)] : [])];
}
