/** What the client promises over a server's behaviour: one id a change, the retries, and what an error says. */
import { once } from "node:events";
import { type AddressInfo, createServer, connect as netConnect } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { CallError } from "../../src/client/call-error.ts";
import { type ClientOptions, RPC, TallyClient } from "../../src/client/client.ts";
import { retryDelayMs } from "../../src/client/retry.ts";
import { silentServer } from "../cli/cli.ts";
import { scripted } from "./scripted-server.ts";

const UNAVAILABLE = { status: "UNAVAILABLE" } as const;
const DRAINING = { status: "UNAVAILABLE", reason: "DRAINING" } as const;
const DONE = { answer: { outcome: { name: "visits", value: 1n } } } as const;

describe("a change", () => {
  it("carries one request id, a UUID of version 7, through all of its attempts", async () => {
    const { server, asked } = await scripted(RPC.increment, [UNAVAILABLE, DRAINING, DONE]);
    const { outcome } = await connect(server).call(RPC.increment, { name: "visits" });
    expect(outcome?.value).toBe(1n);
    const ids = asked.map(({ requestId }) => requestId);
    expect(ids).toEqual(Array(3).fill(ids[0]));
    expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it("has an id of its own, each", async () => {
    const { server, asked } = await scripted(RPC.increment, [DONE]);
    const client = connect(server);
    await client.call(RPC.increment, { name: "visits" });
    await client.call(RPC.increment, { name: "visits" });
    expect(asked[0]!.requestId).not.toBe(asked[1]!.requestId);
  });

  it("keeps the id that it was given", async () => {
    const { server, asked } = await scripted(RPC.increment, [UNAVAILABLE, DONE]);
    await connect(server).call(RPC.increment, { name: "visits", requestId: "order-17" });
    expect(asked.map(({ requestId }) => requestId)).toEqual(["order-17", "order-17"]);
  });

  it("is among those in flight until it is answered", async () => {
    const { server } = await scripted(RPC.increment, [DONE]);
    const client = connect(server, { newRequestId: () => "id-1" });
    const call = client.call(RPC.increment, { name: "visits" });
    expect([...client.changing]).toEqual(["id-1"]);
    await call;
    expect([...client.changing]).toEqual([]);
  });
});

describe("a read", () => {
  it("is tried again, and carries no id", async () => {
    const { server, asked } = await scripted(RPC.getCounter, [
      UNAVAILABLE,
      { answer: { counter: { name: "visits", value: 7n } } },
    ]);
    const { counter } = await connect(server).call(RPC.getCounter, { name: "visits" });
    expect([counter?.value, asked.length]).toEqual([7n, 2]);
    expect(asked[0]).not.toHaveProperty("requestId");
  });
});

describe("retries", () => {
  it.each([
    ["COUNTER_NOT_FOUND", "NOT_FOUND"],
    ["ABOVE_MAX", "OUT_OF_RANGE"],
    ["ETAG_MISMATCH", "ABORTED"],
    ["INTERNAL_ERROR", "INTERNAL"],
    ["ROW_CORRUPT", "DATA_LOSS"],
  ] as const)("are not made after %s", async (reason, status) => {
    const { server, asked } = await scripted(RPC.increment, [{ status, reason }]);
    const error = await failureOf(connect(server).call(RPC.increment, { name: "visits" }));
    expect(error).toMatchObject({ status, reason, unknown: false, sent: true, metadata: { name: "visits" } });
    expect(asked).toHaveLength(1);
  });

  it("end after as many attempts as the client makes", async () => {
    const { server, asked } = await scripted(RPC.increment, [UNAVAILABLE]);
    await failureOf(connect(server, { attemptsMax: 3 }).call(RPC.increment, { name: "visits" }));
    expect(asked).toHaveLength(3);
  });

  it("end when the next one could not be answered in time", async () => {
    const { server, asked } = await scripted(RPC.increment, [{ ...DRAINING, retryMs: 999 }]);
    const error = await failureOf(
      connect(server, { timeoutMs: 900 }).call(RPC.increment, { name: "visits" }),
    );
    expect([error.reason, error.retryAfterMs, asked.length]).toEqual(["DRAINING", 999, 1]);
  });

  it("are made when a full queue says when to come back", async () => {
    const full = { status: "RESOURCE_EXHAUSTED", reason: "QUEUE_FULL", retryMs: 5 } as const;
    const { server, asked } = await scripted(RPC.increment, [full, DONE]);
    await connect(server).call(RPC.increment, { name: "visits" });
    expect(asked).toHaveLength(2);
  });

  it("are made until the deadline while a server is too busy, under the same id, and are not counted", async () => {
    const full = { status: "RESOURCE_EXHAUSTED", reason: "QUEUE_FULL", retryMs: 5 } as const;
    const { server, asked } = await scripted(RPC.increment, [...Array(8).fill(full), DONE]);
    await connect(server, { attemptsMax: 2 }).call(RPC.increment, { name: "visits" });
    expect(asked).toHaveLength(9);
    expect(new Set(asked.map(({ requestId }) => requestId)).size).toBe(1);
    const once = await failureOf(
      connect((await scripted(RPC.increment, [full])).server, { attemptsMax: 1 }).call(RPC.increment, {
        name: "visits",
      }),
    );
    expect([once.reason, once.unknown]).toEqual(["QUEUE_FULL", false]);
  });

  it("a counter at its bound is told at once, with when there will be room: that may be at midnight", async () => {
    const { server, asked } = await scripted(RPC.increment, [
      { status: "OUT_OF_RANGE", reason: "ABOVE_MAX", retryMs: 5 } as const,
    ]);
    const full = await failureOf(connect(server).call(RPC.increment, { name: "visits" }));
    expect([full.reason, full.retryAfterMs, full.unknown, asked.length]).toEqual(["ABOVE_MAX", 5, false, 1]);
  });

  it.each([
    [1, 0, 75],
    [1, 1, 125],
    [3, 0.5, 400],
    [30, 0.5, 2_000],
  ])("wait, before attempt %i + 1 with %f for chance, %i ms", async (attempt, random, ms) => {
    const { server } = await scripted(RPC.increment, [UNAVAILABLE]);
    const error = await failureOf(
      connect(server, { attemptsMax: 1 }).call(RPC.increment, { name: "visits" }),
    );
    expect(retryDelayMs(error, attempt, random)).toBe(ms);
  });
});

describe("a connection", () => {
  it("on which a call got no answer in time is left, because nobody may be at its other end any more", async () => {
    const { server, asked } = await scripted(RPC.increment, [DONE]);
    const client = connect(await halfOpenBefore(server));
    const call = client.call(RPC.increment, { name: "visits" }, { timeoutMs: 300 });
    expect(await failureOf(call)).toMatchObject({ status: "DEADLINE_EXCEEDED", unknown: true });
    expect(asked).toHaveLength(0);
    await client.call(RPC.increment, { name: "visits" }, { timeoutMs: 5_000 });
    expect(asked).toHaveLength(1);
  });
});

describe("an error says whether the change may have been made", () => {
  const cases = [
    ["no: nobody was there", "127.0.0.1:1", false],
    ["no: there is no such host", "no-such-host.invalid:8080", false],
  ] as const;
  it.each(cases)("%s", async (_, server, unknown) => {
    const error = await failureOf(
      connect(server, { attemptsMax: 2 }).call(RPC.increment, { name: "visits" }),
    );
    expect(error).toMatchObject({ status: "UNAVAILABLE", reason: undefined, unknown, sent: false, server });
  });

  it("no: Tally has refused it, although an attempt before got lost", async () => {
    const refused = { status: "OUT_OF_RANGE", reason: "ABOVE_MAX" } as const;
    const { server } = await scripted(RPC.increment, [UNAVAILABLE, refused]);
    expect(await failureOf(connect(server).call(RPC.increment, { name: "visits" }))).toMatchObject({
      reason: "ABOVE_MAX",
      unknown: false,
    });
  });

  it("maybe: an attempt got lost, and the last one met a server that stops", async () => {
    const { server } = await scripted(RPC.increment, [UNAVAILABLE, DRAINING]);
    const client = connect(server, { attemptsMax: 2, newRequestId: () => "id-1" });
    expect(await failureOf(client.call(RPC.increment, { name: "visits" }))).toMatchObject({
      reason: "DRAINING",
      unknown: true,
      requestId: "id-1",
    });
  });

  it("maybe: the store does not know either", async () => {
    const lost = { status: "UNAVAILABLE", reason: "OUTCOME_UNKNOWN" } as const;
    const { server, asked } = await scripted(RPC.increment, [lost]);
    const error = await failureOf(
      connect(server, { attemptsMax: 2 }).call(RPC.increment, { name: "visits" }),
    );
    expect([error.unknown, asked.length]).toEqual([true, 2]);
  });

  it("maybe: no answer before the deadline", async () => {
    const { server } = await scripted(RPC.increment, ["hangs"]);
    const call = connect(server, { timeoutMs: 300 }).call(RPC.increment, { name: "visits" });
    expect(await failureOf(call)).toMatchObject({ status: "DEADLINE_EXCEEDED", unknown: true, sent: true });
  });

  it("maybe: the connection broke under it, at each attempt", async () => {
    let calls = 0;
    const { address } = await silentServer((socket) => {
      calls++;
      socket.destroy();
    });
    const error = await failureOf(
      connect(address, { attemptsMax: 2 }).call(RPC.increment, { name: "visits" }),
    );
    expect(error).toMatchObject({ reason: undefined, unknown: true, sent: true });
    expect(calls).toBe(2);
  });

  it("no, if it is a read", async () => {
    const { server } = await scripted(RPC.getCounter, [UNAVAILABLE]);
    const call = connect(server, { attemptsMax: 1 }).call(RPC.getCounter, { name: "visits" });
    expect(await failureOf(call)).toMatchObject({ unknown: false, requestId: undefined });
  });

  it("no: a server that does not know the method did nothing", async () => {
    const { server } = await scripted(RPC.getCounter, ["hangs"]);
    const call = connect(server).call(RPC.increment, { name: "visits" });
    expect(await failureOf(call)).toMatchObject({ status: "UNIMPLEMENTED", unknown: false });
  });
});

function connect(server: string, options: Partial<ClientOptions> = {}): TallyClient {
  const client = new TallyClient({ server, random: () => 0, ...options });
  onTestFinished(() => client.close());
  return client;
}

/** The address of a relay to a server, whose first connection takes everything and hands on nothing. */
async function halfOpenBefore(server: string): Promise<string> {
  const [host, port] = server.split(":");
  let connections = 0;
  const relay = createServer((socket) => {
    socket.on("error", () => {});
    if (++connections === 1) return void socket.resume();
    const onward = netConnect(Number(port), host);
    onward.on("error", () => {});
    socket.pipe(onward).pipe(socket);
  }).listen(0, "127.0.0.1");
  await once(relay, "listening");
  onTestFinished(() => void relay.close());
  return `127.0.0.1:${(relay.address() as AddressInfo).port}`;
}

async function failureOf(call: Promise<unknown>): Promise<CallError> {
  const error = await call.then(
    (answer) => new Error(`it was answered: ${JSON.stringify(answer)}`),
    (thrown) => thrown,
  );
  if (!(error instanceof CallError)) throw error;
  return error;
}
