import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { onTestFinished } from "vitest";
import { IncrementRequestSchema, IncrementResponseSchema } from "../../../gen/tally/v1/counter_service_pb.ts";

/** An Increment whose caller has sent its head and holds back its message: in flight for as long as a test likes. */
export interface HeldCall {
  /** Send the message. @returns  the counter's new value; a gRPC status that is not OK throws */
  finish(): Promise<bigint>;
}

/** Begin a call; resolves when the server surely has its head. */
export async function holdCall(port: unknown): Promise<HeldCall> {
  const session = connect(`http://127.0.0.1:${port}`);
  onTestFinished(() => session.destroy());
  session.on("error", () => {}); // A cut connection shows in finish().
  const stream = session.request({
    ":method": "POST",
    ":path": "/tally.v1.CounterService/Increment",
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  const answered = answerOf(stream);
  await once(session, "connect");
  await echo(session);
  return {
    async finish() {
      const message = toBinary(IncrementRequestSchema, create(IncrementRequestSchema, { name: "held" }));
      stream.end(frame(message));
      const { body, status } = await answered;
      if (status !== "0") throw new Error(`grpc-status ${status}`);
      return fromBinary(IncrementResponseSchema, body.subarray(5)).outcome!.value;
    },
  };
}

/** A server answers a ping after it has read what came before it. */
function echo(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    session.ping((error) => (error ? reject(error) : resolve()));
  });
}

/** One uncompressed gRPC message. */
function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

async function answerOf(stream: ClientHttp2Stream): Promise<{ body: Buffer; status: unknown }> {
  const chunks: Buffer[] = [];
  let status: unknown = "none";
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("trailers", (trailers) => {
    status = trailers["grpc-status"];
  });
  stream.on("response", (headers) => {
    status = headers["grpc-status"] ?? status;
  });
  await new Promise((resolve) => stream.on("close", resolve)); // Not once(): an error is an answer too.
  return { body: Buffer.concat(chunks), status };
}
