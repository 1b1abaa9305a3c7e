/**
 * Calls on PostgreSQL in the traces of who makes them: their waits, and their commits with the parts that it tells apart. What
 * is the same on every store is in test/transports/tracing.test.ts.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { expect, it, vi } from "vitest";
import { DeleteCountersRequestSchema } from "../../../gen/tally/v1/bulk_service_pb.ts";
import { toBatch } from "../../../src/service/call.ts";
import type { Store } from "../../../src/service/store.ts";
import { apply, increment, single } from "../../support/calls.ts";
import { describeWith } from "../../support/needs.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { Spans, type Told } from "../../support/spans.ts";
import { open } from "../../transports/door.ts";
import { send } from "../../transports/http.ts";
import { exchange, framed } from "../../transports/raw.ts";
import { ownDatabase, ownSchema, waitingForLock } from "./schema.ts";

/** Doors over a store, whose calls are recorded. */
async function traced(store: Store) {
  const spans = new Spans();
  let submitted = 0;
  const opened = await open({
    store: () => store,
    tracing: (clock) => spans.tracing(clock, { ratio: 1 }),
    writer(real) {
      const submit = real.submit.bind(real);
      real.submit = (call) => {
        submitted++;
        return submit(call);
      };
      return real;
    },
  });
  return {
    ...{ spans, clock: opened.clock },
    /** Resolves when the writer has so many calls, or had. */
    submitted: (count: number) => vi.waitFor(() => expect(submitted).toBe(count)),
    async ask(path: string) {
      const { status } = await send(opened.door.port, { method: "POST", path });
      expect(status).toBe(200);
    },
    exchange: (path: string, bytes: Uint8Array) => exchange(opened.door.port, path, [framed(bytes)]),
    /** So many calls, once these have ended: each by its own span, and those within it. */
    async calls(count: number) {
      await vi.waitFor(() => expect(spans.calls).toHaveLength(count));
      const told = spans.told;
      return spans.calls.map((call) => ({
        call,
        within: told.filter(({ parentId }) => parentId === call.spanId),
      }));
    },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

/** From its call's beginning, in milliseconds. */
function timesOf({ times }: Told, call: Told): number[] {
  return times.map((at) => at - call.times[0]);
}

describeWith([POSTGRES], "a call on PostgreSQL that is recorded", () => {
  it("has its wait, and its commit by what it took to load, to decide, and to write and commit", async () => {
    await using here = await traced(await (await ownSchema()).open());
    await here.ask("/counters/a/increment");
    const [{ call, within }] = (await here.calls(1)) as [Awaited<ReturnType<typeof here.calls>>[0]];
    expect(call).toMatchObject({ name: "tally.v1.CounterService/Increment", status: "UNSET" });
    expect(within.map(({ name, traceId, status }) => [name, traceId, status])).toEqual([
      ["commit", call.traceId, "UNSET"],
      ["queue", call.traceId, "UNSET"],
    ]);
    const { attributes } = within[0]!;
    expect(attributes).toEqual({
      ...{ "tally.commit.calls": 1, "tally.commit.operations": 1 },
      "tally.commit.load_ms": expect.any(Number),
      "tally.commit.decide_ms": expect.any(Number),
      "tally.commit.sync_ms": expect.any(Number), // Writing is in it: both are one round trip.
    });
    // Each takes asking a server.
    for (const part of ["load_ms", "sync_ms"]) expect(attributes[`tally.commit.${part}`]).toBeGreaterThan(0);
  });

  it("has a commit of its own while another is under way, unless that has its counter: then it has waited", async () => {
    const schema = await ownSchema((await ownDatabase()).url);
    const store = await schema.open();
    await apply(store, increment("a"));
    await using here = await traced(store);
    const other = await schema.connect(); // A process that hangs in the middle of its own.
    await other.query(`BEGIN; SELECT * FROM ${schema.name}.counters FOR UPDATE`);
    const first = here.ask("/counters/a/increment");
    await waitingForLock(schema);
    here.clock.advance(1);
    const second = here.ask("/counters/a/increment");
    await here.submitted(2);
    await here.ask("/counters/b/increment"); // Which has come after it.
    here.clock.advance(5);
    await other.query("COMMIT");
    await Promise.all([first, second]);
    const calls = await here.calls(3);
    expect(
      calls.map(({ call, within }) => [
        timesOf(call, call),
        ...within.map((each) => [each.name, ...timesOf(each, call)]),
      ]),
    ).toEqual([
      [
        [0, 0],
        ["commit", 0, 0],
        ["queue", 0, 0],
      ], // That of b.
      [
        [0, 6],
        ["commit", 0, 6],
        ["queue", 0, 0],
      ],
      [
        [0, 5],
        ["commit", 5, 5],
        ["queue", 0, 5],
      ],
    ]);
    expect(here.spans.told.flatMap(({ links }) => links)).toEqual([]);
  });

  it("has both of each slice where it is a stream", async () => {
    const store = await (await ownSchema()).open();
    await store.commit(toBatch(Array.from({ length: 300 }, (_, n) => single(increment(`a.${n}`)))));
    await using here = await traced(store);
    const asked = create(DeleteCountersRequestSchema, { prefix: "a." });
    await here.exchange("/tally.v1.BulkService/DeleteCounters", toBinary(DeleteCountersRequestSchema, asked));
    const [{ call, within }] = (await here.calls(1)) as [Awaited<ReturnType<typeof here.calls>>[0]];
    expect(call.attributes).toMatchObject({ "rpc.response.status_code": "OK", "tally.slices": 2 });
    expect(within.map(({ name, attributes }) => [name, attributes["tally.commit.operations"]])).toEqual([
      ["commit", 250],
      ["queue", undefined],
      ["commit", 50],
      ["queue", undefined],
    ]);
  });
});
