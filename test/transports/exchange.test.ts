/**
 * Goal: who asks about a request of node:http after its caller has gone is told, and waits for nothing that has been.
 *
 * Method: a server of node:http whose one request is asked about once its connection is closed.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { expect, it } from "vitest";
import { NodeRequest, NodeResponse } from "../../src/transports/node-http/exchange.ts";
import { Room } from "../../src/transports/room.ts";

async function gone(): Promise<{ request: NodeRequest; response: NodeResponse }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n");
  const [request, response] = (await once(server, "request")) as [IncomingMessage, ServerResponse];
  const closed = once(response, "close");
  socket.destroy();
  await closed;
  server.close();
  const asked = new NodeRequest(request);
  return { request: asked, response: new NodeResponse(asked, response) };
}

it("its body is none", async () => {
  const { request } = await gone();
  expect(await request.body({ bytesMax: 9, arriving: new Room(9) })).toEqual({ code: "CALL_CANCELLED" });
});

it("it has no pieces", async () => {
  const { request } = await gone();
  for await (const piece of request.pieces()) expect.unreachable(`${piece}`);
});

it("that its answer is over is told", async () => {
  const { response } = await gone();
  await new Promise<void>((told) => response.onOver(told));
  expect(response.over).toBe(true);
});

it("who writes without end lets the process turn", async () => {
  const { response } = await gone();
  let turned = false;
  setImmediate(() => {
    turned = true;
  });
  let written = 0;
  for (; !turned && written < 10_000; written++) await response.write(Buffer.from("x"));
  expect(written).toBeLessThan(10);
});
