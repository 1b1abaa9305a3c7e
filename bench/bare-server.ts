import { createServer } from "node:http2";
import { framed } from "./messages.ts";

/**
 * The least that a Node server can do for a gRPC call: answer a constant, as long as an Increment's answer,
 * without reading the request. It is the ceiling that Tally's rates are divided by. grpc-status goes with the
 * headers, so that the generators judge its answers as they judge Tally's.
 */
const ANSWER_BYTES = 110;

const answer = framed(Buffer.alloc(ANSWER_BYTES));
const headers = { ":status": 200, "content-type": "application/grpc", "grpc-status": "0" };

const server = createServer();
server.on("stream", (stream) => {
  stream.on("error", () => {}); // A generator that stops resets its streams.
  stream.respond(headers);
  stream.end(answer);
});
server.listen(Number(process.argv[2]), "127.0.0.1");
