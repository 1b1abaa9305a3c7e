/**
 * node test/transports/resetting.ts PORT: 4,000 calls that their caller resets at once, never more than 200 at a time; in
 * a process of its own, so that the server finds many of them together. Ends with 0 if the connection lives on.
 */
import { once } from "node:events";
import { type ClientHttp2Stream, connect } from "node:http2";

const session = connect(`http://127.0.0.1:${process.argv[2]}`);
session.on("error", () => {});
session.on("goaway", (code) => {
  console.error(`told to go away with code ${code}`);
  process.exit(1);
});
await once(session, "remoteSettings");
const turn = () => new Promise((resolve) => setImmediate(resolve));
for (let round = 0; round < 20; round++) {
  const streams = Array.from({ length: 200 }, begin);
  await turn();
  for (const stream of streams) stream.close(8);
  await turn();
}
await new Promise((resolve) => session.ping(resolve)); // The server has seen it all.
process.exit(0);

function begin(): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": "/tally.v1.CounterService/Increment",
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  stream.write(Buffer.from([0, 0, 0, 0, 3, 0x0a, 1, 0x61]));
  return stream;
}
