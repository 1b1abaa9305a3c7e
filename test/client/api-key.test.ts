/** The key of a client: where it goes, where it does not, and that it is nowhere to be seen. */
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { isPrivateWay } from "../../src/client/api-key.ts";
import { CallError } from "../../src/client/call-error.ts";
import { type ClientOptions, RPC, TallyClient } from "../../src/client/client.ts";
import { scripted } from "./scripted-server.ts";

const KEY = "tally_4fZk2Qm9XbTa_secretsecretsecret_crc123";
const DONE = { answer: { outcome: { name: "visits", value: 1n } } } as const;

describe("a client's key", () => {
  it("goes with every attempt as a bearer's, once, and with those of another client like it", async () => {
    const { server, credentials } = await scripted(RPC.increment, [{ status: "UNAVAILABLE" }, DONE]);
    const client = connect({ server, apiKey: KEY });
    await client.call(RPC.increment, { name: "visits" });
    const other = client.another();
    onTestFinished(() => other.close());
    await other.call(RPC.increment, { name: "visits" });
    expect(credentials).toEqual(Array(3).fill(`Bearer ${KEY}`));
  });

  it("is not there unless it is given", async () => {
    const { server, credentials } = await scripted(RPC.increment, [DONE]);
    await connect({ server }).call(RPC.increment, { name: "visits" });
    expect(credentials).toEqual([""]);
  });

  it.each([
    ["127.0.0.1:8080", true],
    ["127.255.0.9:1", true],
    ["localhost:8080", true],
    ["LOCALHOST:8080", true],
    ["[::1]:8080", true],
    ["https://counters.example:443", true],
    ["counters.example:8080", false],
    ["tally.localhost:8080", false],
    ["localhost.example:8080", false],
    ["127.0.0.1.example:8080", false],
    ["[::ffff:10.0.0.1]:8080", false],
    ["10.0.0.1:8080", false],
    ["[::]:8080", false],
    ["0.0.0.0:8080", false],
  ])("to %s may be read by nobody on its way: %s", (server, isPrivate) => {
    expect(isPrivateWay(server)).toBe(isPrivate);
    const make = () => connect({ server, apiKey: KEY });
    if (isPrivate) expect(make).not.toThrow();
    else
      expect(make).toThrow(`apiKey would go in plaintext to ${server}: use https://, or allow plaintextKey`);
    expect(() => connect({ server, apiKey: KEY, plaintextKey: true })).not.toThrow();
    expect(() => connect({ server })).not.toThrow();
  });

  it.each(["", "two words", "line\n", "schlüssel", "x".repeat(8_193)])("cannot be %j", (apiKey) => {
    expect(() => connect({ server: "127.0.0.1:1", apiKey })).toThrow("apiKey must be 1 to 8,192 printable");
  });

  it("follows no redirect", async () => {
    const asked: (string | undefined)[] = [];
    const elsewhere = await plainServer((headers) => void asked.push(headers.authorization));
    const server = await plainServer(
      () => {},
      () => ({ ":status": 307, location: `http://${elsewhere}/` }),
    );
    const error = await connect({ server, apiKey: KEY, attemptsMax: 1 })
      .call(RPC.getCounter, { name: "visits" })
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ status: "UNKNOWN", message: "HTTP status 307" });
    expect(asked).toEqual([]);
  });

  it("is in nothing that a client or its errors show", async () => {
    const { server } = await scripted(RPC.increment, [
      { status: "UNAUTHENTICATED", reason: "CREDENTIAL_INVALID" },
    ]);
    const client = connect({ server, apiKey: KEY });
    const error = await client.call(RPC.increment, { name: "visits" }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(CallError);
    const shown = [client, error].map(
      (each) => `${inspect(each, { depth: 9, showHidden: true })}${JSON.stringify(each)}`,
    );
    expect(shown.join()).toContain("CREDENTIAL_INVALID");
    expect(shown.join()).not.toContain("secretsecret");
  });
});

describe("a change that was refused for who calls", () => {
  it.each([
    ["UNAUTHENTICATED", "CREDENTIAL_REVOKED"],
    ["PERMISSION_DENIED", "PERMISSION_DENIED"],
  ] as const)("%s: was certainly not made, unless an attempt before it was lost", async (status, reason) => {
    const refused = { status, reason } as const;
    const first = await scripted(RPC.increment, [refused]);
    expect(await failureOf(first.server)).toMatchObject({ reason, unknown: false });
    expect(first.asked).toHaveLength(1);
    const later = await scripted(RPC.increment, [{ status: "UNAVAILABLE" }, refused]);
    expect(await failureOf(later.server)).toMatchObject({ reason, unknown: true });
    const told = await scripted(RPC.increment, [
      { status: "UNAVAILABLE" },
      { status: "OUT_OF_RANGE", reason: "ABOVE_MAX" },
    ]);
    expect(await failureOf(told.server)).toMatchObject({ reason: "ABOVE_MAX", unknown: false }); // Judged after replay.
  });

  it("without a request id is unknown as well when its answer was lost", async () => {
    const { server } = await scripted(RPC.setPolicy, [{ status: "UNAVAILABLE" }]);
    const error = await connect({ server, attemptsMax: 1 })
      .call(RPC.setPolicy, { prefix: "mails:" })
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ unknown: true, requestId: undefined });
    const read = await scripted(RPC.getPolicy, [{ status: "UNAVAILABLE" }]);
    const lost = await connect({ server: read.server, attemptsMax: 1 })
      .call(RPC.getPolicy, { prefix: "mails:" })
      .catch((caught: unknown) => caught);
    expect(lost).toMatchObject({ unknown: false });
  });
});

async function failureOf(server: string): Promise<unknown> {
  return connect({ server, random: () => 0 })
    .call(RPC.increment, { name: "visits" })
    .catch((caught: unknown) => caught);
}

function connect(options: ClientOptions): TallyClient {
  const client = new TallyClient(options);
  onTestFinished(() => client.close());
  return client;
}

/** A server of HTTP/2 that answers with headers alone. */
async function plainServer(
  hear: (headers: Readonly<Record<string, unknown>> & { authorization?: string | undefined }) => void,
  answer: () => Record<string, string | number> = () => ({ ":status": 200 }),
): Promise<string> {
  const server = createServer();
  server.on("stream", (stream, headers) => {
    hear(headers);
    stream.respond(answer(), { endStream: true });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
