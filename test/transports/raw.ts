/** gRPC by hand, over node:http2: what a well-behaved client would never send. */
import { once } from "node:events";
import {
  type ClientHttp2Stream,
  type ClientSessionOptions,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import * as grpc from "@grpc/grpc-js";
import { type Refused, refusedOf } from "./door.ts";

/** gRPC's frame: a flag for "compressed", four bytes of length, the message. */
export function framed(message: Uint8Array, flag = 0): Buffer {
  const head = Buffer.from([flag, 0, 0, 0, 0]);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** A field twice that has one value; the option is not in the types yet. */
const ANY_FIELDS = { strictSingleValueFields: false } as ClientSessionOptions;

/** What a call ended with. `status` is "RESET" when there was none. */
export interface Ended extends Refused {
  readonly http: number;
}

/** Begin a call and send frames, without half-closing it. */
export function begin(
  port: number,
  path: string,
  frames: readonly Buffer[],
  headers: OutgoingHttpHeaders = {},
) {
  const session = connect(`http://127.0.0.1:${port}`, ANY_FIELDS);
  session.on("error", () => {});
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  stream.on("close", () => session.close()); // Destroyed, it would at times take with it the reset that is yet to be sent.
  stream.on("error", () => {});
  for (const frame of frames) stream.write(frame);
  return stream;
}

/** A whole call. */
export async function exchange(
  port: number,
  path: string,
  frames: readonly Buffer[],
  headers: OutgoingHttpHeaders = {},
): Promise<Ended> {
  const stream = begin(port, path, frames, headers);
  stream.end();
  return ended(stream);
}

export async function ended(stream: ClientHttp2Stream): Promise<Ended> {
  let seen: IncomingHttpHeaders = {};
  stream.on("response", (headers) => Object.assign(seen, headers));
  stream.on("trailers", (trailers) => {
    seen = { ...seen, ...trailers };
  });
  stream.resume();
  await Promise.race([once(stream, "end"), once(stream, "close")]); // An answer may end before its request.
  const metadata = grpc.Metadata.fromHttp2Headers(seen);
  const code = seen["grpc-status"] === undefined ? undefined : Number(seen["grpc-status"]);
  const details = decodeURIComponent(String(seen["grpc-message"] ?? ""));
  const refused = refusedOf({ code: code ?? 0, details, metadata });
  return { ...refused, status: code === undefined ? "RESET" : refused.status, http: Number(seen[":status"]) };
}
