/**
 * Goal: what is expected of the server (Expect) is done, or is nothing that it knows; the same with every engine.
 *
 * Method: requests by hand that expect something, with a body and without one.
 */
import { once } from "node:events";
import { Agent, request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Opened, open } from "../../transports/door.ts";
import { gotOf } from "../../transports/http.ts";
import { authorise, DOORS, EXPECTING, everywhere, headOf } from "./head-alone.ts";
import { saidIn } from "./with-headers.ts";

let opened: Opened;
beforeAll(async () => {
  opened = await open({ authorise });
});
afterAll(() => opened[Symbol.asyncDispose]());

it("a stream whose answer has begun reads what comes of its body all the same", async () => {
  const { path, type } = DOORS["Connect, a stream"]!;
  const message = Buffer.from('{"prefix":"none."}');
  const agent = new Agent({ keepAlive: true });
  const asked = request({
    ...{ host: "127.0.0.1", port: opened.door.port, agent, method: "POST", path },
    headers: {
      "content-type": type,
      "x-caller": "c",
      "content-length": `${message.length + 5}`,
      ...EXPECTING,
    },
  });
  asked.flushHeaders();
  const [response] = await once(asked, "response");
  asked.end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
  const bytes = Buffer.concat(await response.toArray());
  expect([saidIn(gotOf(response.statusCode, response.headers, bytes)), bytes.includes('"error"')]).toEqual([
    "OK",
    false,
  ]);
  agent.destroy();
});

describe("Expect", () => {
  it.each([
    ["GET", "/v1/counters", {}],
    ["POST", "/counters/expected/increment", { "content-length": "0" }],
  ])("100-continue of a %s without a body has nobody told to go on", async (method, path, headers) => {
    const asked = {
      method,
      path,
      headers: { ...headers, "x-caller": "c", ...EXPECTING },
      ends: true,
    } as const;
    for (const { told, got } of await everywhere(opened.door.port, asked))
      expect([got.status, told.wentOn]).toEqual([200, false]);
  });

  it.each(["tea", "100-continue, tea", "100-continue;q=1"])(
    "%j is known to nobody: 417",
    async (expected) => {
      for (const name of ["REST", "Connect, Protobuf", "gRPC-Web", "Connect, a stream"]) {
        const [one, two = one] = await everywhere(
          opened.door.port,
          headOf(DOORS[name]!, {}, { expect: expected }),
        );
        const refused = { got: { status: 417, text: "" }, told: { wentOn: false } };
        expect([one, two]).toMatchObject([{ ...refused, ends: true }, refused]); // What follows might be the body.
      }
    },
  );
});
