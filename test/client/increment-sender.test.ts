/**
 * Goal: whatever happens to calls on their way, each amount is applied once, and what the sender says of it is true.
 *
 * Method: a server in memory that remembers request ids, behind a road on which requests and answers get lost, in
 * time that passes only when the sender sleeps or a call hangs.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { fc, test } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { Code } from "../../gen/google/rpc/code_pb.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { BatchApplyRequestSchema } from "../../gen/tally/v1/counter_service_pb.ts";
import { CallError } from "../../src/client/call-error.ts";
import { IncrementSender } from "../../src/client/increment-sender.ts";
import { answerTo } from "../proofs/count/answer.ts";

/** What can become of one attempt. */
const FATES = ["answered", "answer lost", "request lost", "never sent", "queue full", "hangs"] as const;
type Fate = (typeof FATES)[number];

const increments = fc.array(
  fc.record({ name: fc.constantFrom("a", "b", "c", "full"), amount: fc.integer({ min: 1, max: 9 }) }),
  { minLength: 1, maxLength: 30 },
);

test.prop([fc.array(increments, { maxLength: 20 }), fc.infiniteStream(fc.constantFrom(...FATES))])(
  "everything is applied once when the server comes back in time, and refusals are told once",
  async (adds, fates) => {
    const server = new Server(() => fates.next().value);
    const { sender, refused } = server.sender({ timeoutMs: 30 * 60_000 });
    for (const add of adds) await sender.add(columns(add));
    await sender.finish();
    const all = adds.flat();
    const takes = all.filter(({ name }) => name !== "full");
    expect(server.counters).toEqual(sums(takes));
    expect(refused).toEqual(sums(all.filter(({ name }) => name === "full")));
    expect(sender.sent).toEqual({
      applied: total(takes),
      refused: total(all) - total(takes),
      unknown: 0,
      notSent: 0,
      inFlight: 0,
    });
  },
);

test.prop([fc.array(increments, { minLength: 1, maxLength: 20 }), fc.array(fc.constantFrom(...FATES))])(
  "when it gives up, what is applied is what it says, and at most what is unknown on top",
  async (adds, fates) => {
    let i = 0;
    const server = new Server(() => fates[i++] ?? "never sent");
    const { sender } = server.sender({ timeoutMs: 20_000 });
    let failure: unknown;
    const note = (error: unknown) => {
      failure = error;
    };
    for (const add of adds) await sender.add(columns(add)).catch(note);
    await sender.finish().catch(note);
    const { applied, refused, unknown, notSent, inFlight } = sender.sent;
    expect(applied + refused + unknown + notSent).toBe(total(adds.flat()));
    expect(inFlight).toBe(0);
    const atServer = [...server.counters.values()].reduce((sum, value) => sum + value, 0);
    expect(atServer).toBeGreaterThanOrEqual(applied);
    expect(atServer).toBeLessThanOrEqual(applied + unknown);
    expect(sender.failed).toBe(failure !== undefined);
    expect(unknown + notSent > 0).toBe(sender.failed);
  },
);

it("gives up after the time without an answer, not before", async () => {
  const server = new Server(() => "never sent");
  const { sender } = server.sender({ timeoutMs: 60_000 });
  await sender.add(columns([{ name: "a", amount: 7 }]));
  await expect(sender.finish()).rejects.toThrow("No connection established");
  expect(server.now).toBeGreaterThan(55_000);
  expect(server.now).toBeLessThanOrEqual(60_000);
  expect(sender.sent).toMatchObject({ applied: 0, unknown: 0, notSent: 7 });
});

it("takes nothing more once it has given up", async () => {
  const server = new Server(() => "never sent");
  const { sender } = server.sender({ timeoutMs: 1 });
  await sender.add(columns([{ name: "a", amount: 7 }]));
  await expect(sender.finish()).rejects.toThrow();
  await expect(sender.add(columns([{ name: "a", amount: 5 }]))).rejects.toThrow();
  expect(sender.sent.notSent).toBe(12);
  expect(server.attempts).toBe(1);
});

it("a call that hangs is tried again under its request id", async () => {
  const fates: Fate[] = ["hangs", "answered"];
  const server = new Server(() => fates.shift()!);
  const { sender } = server.sender({ timeoutMs: 60_000 });
  await sender.add(columns([{ name: "a", amount: 7 }]));
  await sender.finish();
  expect(server.now).toBeGreaterThanOrEqual(30_000);
  expect(server.counters).toEqual(new Map([["a", 7]]));
  expect(server.requestIds.size).toBe(1);
});

it("no call is tried for longer than request ids are kept, however much the others get on", async () => {
  const server = new Server((request) => (request.operations[0]!.name === "a" ? "answer lost" : "answered"));
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const around = (attempt: () => Promise<Uint8Array>) => turn().then(attempt);
  const { sender } = server.sender({ timeoutMs: 30 * 60_000, inFlightMax: 2, around });
  await sender.add(columns([{ name: "a", amount: 7 }]));
  let added = 0;
  while (!sender.failed) {
    await sender.add(columns([{ name: "b", amount: 1 }])).then(
      () => added++,
      () => {},
    );
    await turn();
  }
  expect(server.now).toBeGreaterThan(30 * 60_000);
  expect(server.now).toBeLessThan(60 * 60_000);
  await expect(sender.finish()).rejects.toThrow();
  expect(sender.sent).toMatchObject({ applied: added, unknown: 7 });
});

it("a server with a lower limit gets smaller calls", async () => {
  const server = new Server(() => "answered", { opsMax: 1_500 });
  const { sender } = server.sender({ timeoutMs: 60_000 });
  const names = Array.from({ length: 20_000 }, (_, i) => `name-${i}`);
  await sender.add({ names, amounts: names.map(() => 1) });
  await sender.finish();
  expect(sender.sent).toMatchObject({ applied: 20_000, inFlight: 0 });
  expect(server.counters).toEqual(new Map(names.map((name) => [name, 1])));
});

it("has no more calls in flight than it may", async () => {
  let most = 0;
  let now = 0;
  const { sender } = new Server(() => "answered").sender({
    timeoutMs: 1_000,
    inFlightMax: 3,
    around: async (attempt) => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setImmediate(resolve));
      now--;
      return attempt();
    },
  });
  for (let i = 0; i < 50; i++) await sender.add(columns([{ name: "a", amount: 1 }]));
  await sender.finish();
  expect(most).toBe(3);
  expect(sender.calls).toBe(50);
});

it("a refusal of a whole call ends it, and says that nothing was applied", async () => {
  const server = new Server(() => "not allowed");
  const { sender } = server.sender({ timeoutMs: 60_000 });
  await sender.add(columns([{ name: "a", amount: 7 }]));
  await expect(sender.finish()).rejects.toThrow("may not");
  expect(server.attempts).toBe(1);
  expect(sender.sent).toMatchObject({ unknown: 0, notSent: 7 });
});

type Request = ReturnType<typeof fromBinary<typeof BatchApplyRequestSchema>>;

/** Applies increments, each request id once, and refuses the counter "full". */
class Server {
  readonly counters = new Map<string, number>();
  readonly requestIds = new Set<string>();
  attempts = 0;
  now = 0;
  readonly #fateOf: (request: Request) => Fate | "not allowed";
  readonly #opsMax: number;

  constructor(fateOf: (request: Request) => Fate | "not allowed", { opsMax = 8_000 } = {}) {
    this.#fateOf = fateOf;
    this.#opsMax = opsMax;
  }

  sender({
    timeoutMs,
    inFlightMax,
    around = (attempt) => attempt(),
  }: {
    timeoutMs: number;
    inFlightMax?: number;
    around?: (attempt: () => Promise<Uint8Array>) => Promise<Uint8Array>;
  }) {
    const refused = new Map<string, number>();
    let ids = 0;
    const sender = new IncrementSender({
      attempt: (bytes, timeoutMs) => around(() => this.#attempt(bytes, timeoutMs)),
      newRequestId: () => `id-${ids++}`,
      now: () => this.now,
      random: () => 0.5,
      sleep: async (ms) => {
        this.now += ms;
      },
      timeoutMs,
      ...(inFlightMax !== undefined && { inFlightMax }),
      onRefused: (name, amount) => void refused.set(name, (refused.get(name) ?? 0) + amount),
    });
    return { sender, refused };
  }

  async #attempt(bytes: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    this.attempts++;
    const request = fromBinary(BatchApplyRequestSchema, bytes);
    if (request.operations.length > this.#opsMax) {
      throw failure(Code.RESOURCE_EXHAUSTED, "too large", "MESSAGE_TOO_LARGE");
    }
    switch (this.#fateOf(request)) {
      case "answered":
        return this.#apply(request);
      case "answer lost":
        this.#apply(request);
        throw failure(Code.UNAVAILABLE, "Connection dropped");
      case "request lost":
        throw failure(Code.UNAVAILABLE, "Connection dropped");
      case "never sent":
        throw failure(Code.UNAVAILABLE, "No connection established. Last error: connect ECONNREFUSED");
      case "queue full":
        throw failure(Code.RESOURCE_EXHAUSTED, "the queue is full", "QUEUE_FULL", 100);
      case "hangs":
        this.now += timeoutMs;
        throw failure(Code.DEADLINE_EXCEEDED, "Deadline exceeded after 30.000s");
      case "not allowed":
        throw failure(Code.PERMISSION_DENIED, "you may not count here", "PERMISSION");
    }
  }

  #apply({ operations, requestId }: Request): Uint8Array {
    const again = this.requestIds.has(requestId!);
    this.requestIds.add(requestId!);
    const refused: Parameters<typeof answerTo>[1] = {};
    for (const [i, { name, action }] of operations.entries()) {
      if (name === "full") Object.assign(refused, { [i]: { code: Code.OUT_OF_RANGE, reason: "ABOVE_MAX" } });
      else if (!again) this.counters.set(name, (this.counters.get(name) ?? 0) + Number(action.value));
    }
    return answerTo(operations, refused);
  }
}

/** What a client sees of it. @param reason  Tally's own; without one the error is not Tally's */
function failure(code: Code, message: string, reason?: string, retryAfterMs?: number): CallError {
  const sent = !message.startsWith("No connection");
  if (reason === undefined) return CallError.from({ code, message, details: undefined, sent });
  const info = anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { domain: "tally", reason }));
  const nanos = (retryAfterMs ?? 0) * 1e6;
  const retry = anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: { nanos } }));
  const details = retryAfterMs === undefined ? [info] : [info, retry];
  const bytes = toBinary(StatusSchema, create(StatusSchema, { code, details }));
  return CallError.from({ code, message, details: bytes, sent });
}

interface Add {
  readonly name: string;
  readonly amount: number;
}

function columns(adds: readonly Add[]) {
  return { names: adds.map(({ name }) => name), amounts: adds.map(({ amount }) => amount) };
}

function sums(adds: readonly Add[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { name, amount } of adds) sums.set(name, (sums.get(name) ?? 0) + amount);
  return sums;
}

function total(adds: readonly Add[]): number {
  return adds.reduce((sum, { amount }) => sum + amount, 0);
}
