/** A request id belongs to its caller and counter, whatever door it comes through. */
import { expect, it } from "vitest";
import { type Opened, open } from "../../transports/door.ts";
import { send } from "../../transports/http.ts";
import { CONNECT } from "./connect.ts";
import type { ParityDoor } from "./door.ts";
import { grpc } from "./grpc.ts";
import { rest } from "./rest.ts";

/** Adds 5 to a counter under a request id. */
interface Door {
  readonly name: string;
  open(opened: Opened): {
    /** @returns  the value, and whether it is a replay (not told at every door) */
    add(name: string, id: string): Promise<{ value: string; replayed: boolean | undefined }>;
    close?(): void;
  };
}

const DOORS: readonly Door[] = [
  ...[grpc, ...CONNECT, rest].map(byMethod),
  {
    name: "REST with Idempotency-Key",
    open: ({ door }) => ({
      async add(name, id) {
        const got = await send(door.port, {
          method: "POST",
          path: `/v1/counters/${name}:increment`,
          headers: { "idempotency-key": `"${id}"` },
          body: { amount: 5 },
        });
        return (got.json as { outcome: { value: string; replayed: boolean } }).outcome;
      },
    }),
  },
  {
    name: "the short paths with Idempotency-Key",
    open: ({ door }) => ({
      async add(name, id) {
        const got = await send(door.port, {
          method: "POST",
          path: `/counters/${name}/increment`,
          headers: { "idempotency-key": id },
          body: { amount: 5 },
        });
        return { value: `${(got.json as { value: number }).value}`, replayed: undefined };
      },
    }),
  },
];

function byMethod({ name, open }: ParityDoor): Door {
  return {
    name,
    open(opened) {
      const client = open(opened);
      return {
        ...client,
        async add(name, requestId) {
          const answer = await client.call("Increment", { name, amount: "5", requestId });
          return (answer as unknown as { ok: { outcome: { value: string; replayed: boolean } } }).ok.outcome;
        },
      };
    },
  };
}

const PAIRS = DOORS.flatMap((first) => DOORS.map((then) => [first, then] as const));

it("what was counted through one door is replayed through every other", async () => {
  await using opened = await open();
  const clients = new Map(DOORS.map((door) => [door, door.open(opened)]));
  let pairs = 0;
  for (const [first, then] of PAIRS) {
    const where = `${first.name}, then ${then.name}`;
    const counter = `pair-${pairs}`;
    const counted = await clients.get(first)!.add(counter, "one-id");
    const again = await clients.get(then)!.add(counter, "one-id");
    expect([counted.value, counted.replayed ?? false], where).toEqual(["5", false]);
    expect([again.value, again.replayed ?? true], where).toEqual(["5", true]);
    const read = await opened.client.getCounter({ name: counter });
    expect([read.counter?.value, read.counter?.revision], where).toEqual([5n, 1n]);
    pairs++;
  }
  expect(pairs).toBe(DOORS.length ** 2);
  for (const client of clients.values()) client.close?.();
});
