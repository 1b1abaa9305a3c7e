/** Calls over gRPC that are refused by their headers, to a caller who does not go on: nothing of them stays. */
import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from "node:http2";
import { afterEach, describe, expect, it } from "vitest";
import type { Authorise } from "../../src/transports/calls/authorise.ts";
import { type Opened, open } from "./door.ts";
import { byEngine } from "./engine.ts";

const GOOD = { authorization: "Bearer good" };
const authorise: Authorise = ({ headerOf }) =>
  headerOf("authorization") === GOOD.authorization ? { caller: "c" } : { code: "CREDENTIAL_MISSING" };

const sessions: ClientHttp2Session[] = [];
afterEach(() => {
  for (const session of sessions.splice(0)) session.destroy();
});

function session({ door }: Opened): ClientHttp2Session {
  const made = connect(`http://127.0.0.1:${door.grpcPort}`);
  made.on("error", () => {});
  sessions.push(made);
  return made;
}

/** A call whose caller sends its headers, and neither a message nor an end. */
function halfOpen(on: ClientHttp2Session, headers = {}): ClientHttp2Stream {
  const stream = on.request(
    {
      ":method": "POST",
      ":path": "/tally.v1.CounterService/Increment",
      "content-type": "application/grpc",
      ...headers,
    },
    { endStream: false },
  );
  stream.on("error", () => {});
  stream.resume();
  return stream;
}

/** @returns  what it was answered */
async function statusOf(stream: ClientHttp2Stream): Promise<string> {
  const [answer] = (await once(stream, "response")) as [IncomingHttpHeaders];
  return `${answer["grpc-status"]}`;
}

/** What is left of it is waited for, for a second. */
async function over(stream: ClientHttp2Stream, { clock }: Opened): Promise<void> {
  const closed = once(stream, "close");
  if (!stream.readableEnded) await once(stream, "end");
  clock.advance(1_000); // grpc-js has the time of Node.js, and passes it.
  await closed;
}

describe("a call that is refused by its headers", () => {
  it("is over with its answer, though its caller sends no end", async () => {
    await using opened = await open({ authorise });
    const call = halfOpen(session(opened));
    expect(await statusOf(call)).toBe("16");
    await over(call, opened);
  });

  it("is over likewise when its headers are not gRPC's, and its caller is known", async () => {
    await using opened = await open({ authorise });
    const headers = { ...GOOD, "grpc-encoding": "nonsense" };
    const call = halfOpen(session(opened), headers);
    expect(await statusOf(call)).toBe("12");
    await over(call, opened);
  });
});

/** Whether a connection has ended; one that has not takes another call. */
async function hasEnded(on: ClientHttp2Session): Promise<boolean> {
  if (on.closed || on.destroyed) return true;
  const pinged = new Promise<boolean>((resolve) => {
    on.on("close", () => resolve(true));
    on.ping((error) => resolve(error !== null || on.closed));
  });
  return pinged;
}

describe("a connection", () => {
  it("ends with its sixteenth call in a row that is refused to who calls, and not before", async () => {
    await using opened = await open({ authorise });
    const on = session(opened);
    for (let calls = 0; calls < 15; calls++) expect(await statusOf(halfOpen(on))).toBe("16");
    expect(await hasEnded(on)).toBe(false);
    expect(await statusOf(halfOpen(on))).toBe("16");
    // Our own engine holds nothing of a call that it has answered.
    expect(await hasEnded(on)).toBe(byEngine({ "grpc-js": true, own: false }));
  });

  it("goes on where a call was admitted once", async () => {
    await using opened = await open({ authorise });
    const on = session(opened);
    for (let calls = 0; calls < 15; calls++) await statusOf(halfOpen(on));
    expect(await statusOf(halfOpen(on, { ...GOOD, "grpc-encoding": "nonsense" }))).toBe("12");
    for (let calls = 0; calls < 40; calls++) expect(await statusOf(halfOpen(on))).toBe("16");
    expect(await hasEnded(on)).toBe(false);
  });
});
