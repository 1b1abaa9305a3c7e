/** The engine against the other implementation that is at hand: the client of node:http2, which is nghttp2's. */
import { once } from "node:events";
import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from "node:http2";
import { fc, test as property } from "@fast-check/vitest";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listenEcho } from "./echo.ts";

let echo: Awaited<ReturnType<typeof listenEcho>>;
let client: ClientHttp2Session;

beforeAll(async () => {
  echo = await listenEcho();
  client = connect(`http://127.0.0.1:${echo.port}`, { settings: { initialWindowSize: 100_000 } });
});

afterAll(() => {
  echo.server.close();
});

interface Answer {
  readonly head: IncomingHttpHeaders & { ":status"?: number };
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders;
}

async function ask(
  headers: Record<string, string | string[]>,
  body?: Buffer,
  session = client,
): Promise<Answer> {
  const stream = session.request(
    { ":method": "POST", ":path": "/", ...headers },
    { endStream: body === undefined },
  );
  let trailers: IncomingHttpHeaders = {};
  stream.on("trailers", (fields) => {
    trailers = fields;
  });
  const pieces: Buffer[] = [];
  stream.on("data", (piece: Buffer) => pieces.push(piece));
  if (body !== undefined) stream.end(body);
  const [head] = await once(stream, "response");
  if (!stream.closed) await once(stream, "close");
  return { head, body: Buffer.concat(pieces), trailers };
}

test.each([0, 1, 16_384, 16_385, 200_000, 5_000_000])(
  "a body of %i bytes goes there and comes back",
  async (length) => {
    const body = Buffer.from(Array.from({ length: Math.min(length, 1_000) }, (_, at) => at % 251));
    const whole = Buffer.alloc(length, body.length > 0 ? body : 0);
    const answer = await ask({}, whole);
    expect(answer.head[":status"]).toBe(200);
    expect(answer.body.equals(whole)).toBe(true);
    expect(answer.trailers).toMatchObject({ "x-end": "0" });
  },
);

test("a hundred at once, of all sizes", async () => {
  const lengths = Array.from({ length: 100 }, (_, n) => (n * n * 37) % 90_000);
  const answers = await Promise.all(lengths.map((length) => ask({}, Buffer.alloc(length, "y"))));
  expect(answers.map(({ body }) => body.length)).toEqual(lengths);
});

test("a client without a table reads answers, the first and all others", async () => {
  const session = connect(`http://127.0.0.1:${echo.port}`, { settings: { headerTableSize: 0 } });
  await once(session, "remoteSettings");
  for (let n = 0; n < 3; n++) expect((await ask({}, Buffer.from("x"), session)).body.toString()).toBe("x");
  session.close();
});

test("a client that goes away in the middle leaves nothing behind", async () => {
  const session = connect(`http://127.0.0.1:${echo.port}`);
  session.on("error", () => {});
  const stream = session.request({ ":method": "POST", ":path": "/" });
  stream.on("error", () => {});
  stream.write(Buffer.alloc(50_000));
  await expect.poll(() => echo.arriving.taken).toBeGreaterThanOrEqual(50_000);
  session.destroy();
  await expect.poll(() => echo.arriving.taken).toBe(0);
});

test("a request that is reset does not disturb its neighbours", async () => {
  const stream = client.request({ ":method": "POST", ":path": "/" });
  stream.on("error", () => {});
  stream.close(constants.NGHTTP2_CANCEL);
  expect((await ask({}, Buffer.from("x"))).body.toString()).toBe("x");
});

/** Names that mean something to HTTP/2 or to node:http2, which sends each once or not at all. */
const MEANING = new Set(["te", "host", "connection", "upgrade", "keep-alive", "expect", "cookie", "trailer"]);
const NAME = fc.stringMatching(/^x[a-z0-9_-]{0,20}$/).filter((name) => !MEANING.has(name));
const OCTET = fc.integer({ min: 0x20, max: 0xff }).filter((code) => code !== 0x7f);
const VALUE = fc
  .string({ unit: OCTET.map((code) => String.fromCharCode(code)), maxLength: 60 })
  .filter((value) => !/^ | $/.test(value));
const FIELDS = fc.uniqueArray(fc.tuple(NAME, VALUE), { selector: ([name]) => name, maxLength: 12 });

property.prop([FIELDS], { numRuns: 60 })(
  "fields go there and come back as they were, whatever either side's table has become",
  async (fields) => {
    const sent = Object.fromEntries(fields);
    const { head, trailers } = await ask({ ":path": "/fields", ...sent });
    expect(head).toMatchObject(sent);
    expect(trailers).toMatchObject(sent);
  },
);

test("in the end nothing is left", async () => {
  client.close();
  echo.engine.drain(1_000);
  const nothing = { connections: 0, streams: 0, arrivingBytes: 0, leavingBytes: 0, pagesBytes: 0 };
  await expect.poll(() => echo.engine.held).toEqual(nothing);
  expect([echo.arriving.taken, echo.leaving.taken, echo.defects]).toEqual([0, 0, []]);
});
