/** Time, where several processes and a database server have clocks of their own. */
import {
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  create as message,
  toBinary,
} from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, it } from "vitest";
import {
  GetCounterRequestSchema,
  GetCounterResponseSchema,
} from "../../../gen/tally/v1/counter_service_pb.ts";
import {
  HistoryFill,
  QueryHistoryRequestSchema,
  QueryHistoryResponseSchema,
} from "../../../gen/tally/v1/history_service_pb.ts";
import { Reads } from "../../../src/service/reads.ts";
import type { Store } from "../../../src/service/store.ts";
import { DEFAULT_HISTORY } from "../../../src/service/store-history.ts";
import { ZoneCalendar } from "../../../src/stores/shared/calendar.ts";
import type { UnaryMethod } from "../../../src/transports/calls/call.ts";
import { getCounter } from "../../../src/transports/calls/counters.ts";
import { queryHistory } from "../../../src/transports/calls/history.ts";
import { apply, commit, increment, set, single, update } from "../../support/calls.ts";
import { HandClock } from "../../support/clock.ts";
import { describeWith } from "../../support/needs.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { allChanges } from "../conformance/changes.ts";
import { Following } from "../conformance/history-following.ts";
import { ownSchema, START, underClock } from "./schema.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describeWith([POSTGRES], "clocks around PostgreSQL", () => {
  it.each([-10, 10])(
    "what is asked of the past goes by the database's, when the process's is %d minutes off",
    async (minutes) => {
      const schema = await underClock();
      const clock = new HandClock(START + minutes * MINUTE);
      const store = await schema.open({ clock, history: DEFAULT_HISTORY });
      const following = new Following(store);
      const { query, asOf } = callsOf(store, clock);
      const a = { case: "name" as const, value: "a" };
      const every = { case: "every" as const, value: durationFromMs(MINUTE) };
      await apply(store, increment("a", 5n));
      expect(await store.now()).toBe(START);
      expect((await query({ subject: a, step: every, fill: HistoryFill.NONE })).points).toMatchObject([
        { start: timestampFromMs(START), end: timestampFromMs(START + MINUTE), added: "5" },
      ]);
      await schema.pass(5 * MINUTE);
      const asked = { subject: a, step: every, start: timestampFromMs(START + 4 * MINUTE) };
      expect((await query(asked)).points.map(({ start }) => start)).toEqual([
        timestampFromMs(START + 4 * MINUTE),
        timestampFromMs(START + 5 * MINUTE), // That of now, and none that are to come.
      ]);
      await expect(query({ ...asked, start: timestampFromMs(START + 6 * MINUTE) })).rejects.toMatchObject({
        cause: { code: "INVALID_FIELD", field: "start" },
      });
      const now = timestampFromMs(START + 5 * MINUTE);
      expect((await asOf("a", START + 24 * HOUR)).past).toMatchObject({ value: 5n, time: now });
      await following.close();
    },
  );

  it("two processes: running time goes as the quicker clock does, and not as both together", async () => {
    const schema = await ownSchema();
    const retention = { requestIdsKeepMs: 24 * HOUR };
    const clocks = [new HandClock(), new HandClock()];
    clocks[1]!.runMs = 9e9; // Where a clock begins means nothing.
    const stores = await Promise.all(clocks.map((clock) => schema.open({ clock, retention })));
    const runMs = async () => Number((await schema.sql("SELECT run_ms FROM @service_state"))[0]!.run_ms);
    const upkeep = async () => {
      for (const store of stores) while (await store.maintain());
    };
    await apply(stores[0]!, increment("a"), { id: "r" });
    await upkeep();
    for (let hour = 1; hour <= 23; hour++) {
      clocks[0]!.advance(HOUR);
      clocks[1]!.advance(HOUR / 2); // A machine that was asleep half of the time.
      await upkeep();
      if (hour % 2 === 0) await upkeep();
      expect(await runMs()).toBe(hour * HOUR);
    }
    for (const store of stores) {
      expect((await commit(store, single(increment("a"), { id: "r" })))[0]).toMatchObject({ replayed: true });
    }
    // Its generation closed after three hours, an eighth of a day, and a day has to pass since.
    for (let hour = 24; hour <= 26; hour++) {
      clocks[0]!.advance(HOUR);
      clocks[1]!.advance(HOUR);
      await upkeep();
      expect(await runMs()).toBe(hour * HOUR);
    }
    expect((await commit(stores[1]!, single(increment("a"), { id: "r" })))[0]).toMatchObject({
      replayed: true,
    });
    clocks[1]!.advance(2 * HOUR);
    await upkeep();
    expect((await commit(stores[0]!, single(increment("a"), { id: "r" })))[0]).toMatchObject({
      replayed: false,
    });
  });

  it("a process that stops takes none of the time with it, and one that starts brings none", async () => {
    const schema = await ownSchema();
    const first = new HandClock();
    const store = await schema.open({ clock: first });
    first.advance(5 * HOUR);
    await store.close();
    const second = new HandClock();
    second.runMs = 1e9;
    const next = await schema.open({ clock: second });
    second.advance(HOUR);
    await next.close();
    expect(await schema.sql("SELECT run_ms FROM @service_state")).toEqual([{ run_ms: `${6 * HOUR}` }]);
  });

  it("a counter from a server whose clock was ahead: its time stands still until the clock is there", async () => {
    const schema = await ownSchema();
    const store = await schema.open();
    await apply(store, set("a", 1n));
    const ahead = Date.now() + 48 * HOUR;
    await schema.sql("UPDATE @counters SET update_ms = $1", [ahead]);
    const [counted] = await commit(store, single(increment("a")), single(increment("b")));
    expect(counted!.time).toBe(ahead);
    await apply(store, update("a", { max: 9n }));
    expect(await store.get(["a"])).toMatchObject([{ value: 2n, updateTime: ahead }]);
    const changes = await allChanges(store);
    const times = changes.filter(({ name }) => name === "a").map(({ time }) => time);
    expect(times.slice(1)).toEqual([ahead, ahead]);
    expect(changes.find(({ name }) => name === "b")!.time).toBeLessThan(ahead);
  });
});

/** What is asked of the past, of a server with a clock of its own. They reject with a refusal as the cause. */
function callsOf(store: Store, clock: HandClock) {
  const past = { store, clock, calendar: new ZoneCalendar(() => {}) };
  const [history, counter] = [queryHistory(past, 1_000), getCounter(new Reads(store, clock), past, 1_000)];
  const ask = async <Answer extends DescMessage>(
    method: UnaryMethod,
    request: Uint8Array,
    answer: Answer,
  ): Promise<MessageShape<Answer>> => {
    const caller = { caller: "me", deadline: Number.POSITIVE_INFINITY, cancelled: () => false };
    const answered = await method.answer(Buffer.from(request), caller);
    if (!(answered instanceof Uint8Array)) throw new Error("refused", { cause: answered });
    return fromBinary(answer, answered);
  };
  return {
    query: (request: MessageInitShape<typeof QueryHistoryRequestSchema>) =>
      ask(
        history,
        toBinary(QueryHistoryRequestSchema, message(QueryHistoryRequestSchema, request)),
        QueryHistoryResponseSchema,
      ),
    asOf: (name: string, ms: number) =>
      ask(
        counter,
        toBinary(
          GetCounterRequestSchema,
          message(GetCounterRequestSchema, { name, asOf: timestampFromMs(ms) }),
        ),
        GetCounterResponseSchema,
      ),
  };
}
