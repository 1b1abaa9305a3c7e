import { expect } from "vitest";
import { ChangeKind } from "../../../src/core/change.ts";
import {
  apply,
  batch,
  commit,
  create,
  decrement,
  increment,
  remove,
  reset,
  set,
  single,
  update,
} from "../../support/calls.ts";
import { allChanges } from "./changes.ts";
import { ALL, expectLogLeadsTo, type It, log, MINUTE, quota, read, tidy } from "./time-log.ts";

const { ADD, CREATE, SETTINGS, ROLL, EXPIRE } = ChangeKind;

/** Counters that are gone when nobody has changed them for a while. */
export function idleCounters(it_: It): void {
  const KEEP = { keepHistory: true };
  const IDLE = { idleTtlMs: BigInt(MINUTE), labels: { team: "x" } };

  it_(
    "a counter that nobody changed for so long is not there, and what comes after is another",
    async (opened) => {
      const { store } = opened;
      const from = opened.now();
      await apply(store, create("a", { ...IDLE, value: 7n }));
      await apply(store, increment("stays"));
      const { uid } = await read(store, "a");
      await opened.pass(MINUTE - 1);
      expect(await read(store, "a")).toMatchObject({ value: 7n });
      await apply(store, increment("a"));
      await opened.pass(MINUTE - 1);
      await apply(store, update("a", { description: "x" })); // Which is no change of the value.
      await opened.pass(1);
      expect(await store.get(["a"])).toEqual([undefined]);
      expect((await store.list(ALL, "", 9)).counters.map(({ name }) => name)).toEqual(["stays"]);
      expect((await store.list({ prefix: "", labels: { team: "x" } }, "", 9)).counters).toEqual([]);
      expect((await store.top(ALL, 9, "highest")).counters.map(({ name }) => name)).toEqual(["stays"]);
      expect(await store.sum(ALL)).toMatchObject({ count: 1, sum: 1n });
      for (const op of [
        decrement("a"),
        reset("a"),
        update("a", { max: 9n }),
        remove("a"),
        increment("a", 1n, { mustExist: true }),
        increment("a", 1n, { mayCreate: false }),
      ]) {
        expect(await apply(store, op)).toMatchObject({ code: "COUNTER_NOT_FOUND" });
      }
      expect(await log(store)).toHaveLength(4);
      expect(await apply(store, increment("a", 2n))).toEqual({ value: 2n, previous: 0n, revision: 1 });
      const again = await read(store, "a");
      expect(again).toMatchObject({ value: 2n, labels: {}, idleTtlMs: undefined });
      expect(again.uid).not.toBe(uid);
      const end = (await allChanges(store)).find(({ kind }) => kind === EXPIRE);
      expect(end).toMatchObject({
        uid,
        firstRevision: 3,
        revision: 2,
        ops: 0,
        value: 8n,
        time: from + 2 * MINUTE - 1,
      });
      expect((await log(store)).map(([kind]) => kind)).toEqual([CREATE, ADD, ADD, SETTINGS, EXPIRE, ADD]);
      await expectLogLeadsTo(store);
    },
  );

  it_("in one commit it expires once, whatever comes after: made, deleted, made again", async (opened) => {
    const { store } = opened;
    await apply(store, create("a", { ...IDLE, value: 7n }));
    await apply(store, create("b", { ...IDLE, value: 7n }));
    await opened.pass(MINUTE);
    const answers = await commit(
      store,
      ...[single(increment("a")), single(remove("a", KEEP)), single(create("a", { ...IDLE, value: 3n }))],
      ...[
        single(increment("a")),
        batch([increment("b", 2n), set("b", 1n), remove("b", KEEP), increment("b")]),
      ],
    );
    expect(answers.map(({ refused }) => refused)).toEqual(new Array(5).fill(undefined));
    expect(await read(store, "a")).toMatchObject({ value: 4n, revision: 2, ...IDLE });
    expect(await read(store, "b")).toMatchObject({ value: 1n, revision: 1, idleTtlMs: undefined });
    expect((await log(store)).filter(([kind]) => kind === EXPIRE)).toHaveLength(2);
    await expectLogLeadsTo(store);
  });

  it_(
    "a refused group leaves the expired one as it was, hidden; a retry is answered though it has gone",
    async (opened) => {
      const { store } = opened;
      await apply(store, create("a", { ...IDLE, value: 7n }));
      const asked = single(increment("a"), { id: "r" });
      const [first] = await commit(store, asked);
      await opened.pass(MINUTE);
      const before = await log(store);
      const group = [increment("a"), create("new", IDLE), decrement("none")];
      expect((await commit(store, batch(group, { allOrNothing: true })))[0]!.refused).toMatchObject({
        index: 2,
      });
      expect([await log(store), await store.get(["a", "new"])]).toEqual([before, [undefined, undefined]]);
      expect((await commit(store, asked))[0]).toEqual({ ...first, replayed: true });
      expect(await store.get(["a"])).toEqual([undefined]);
      await commit(store, batch(group.slice(0, 2), { allOrNothing: true }));
      expect(await read(store, "a")).toMatchObject({ value: 1n, revision: 1 });
      await expectLogLeadsTo(store);
    },
  );

  it_(
    "one that gets a TTL which has passed already is gone at once, also for what is in the same commit",
    async (opened) => {
      const { store } = opened;
      await apply(store, increment("a", 7n));
      await opened.pass(2 * MINUTE);
      const answers = await commit(
        store,
        single(update("a", IDLE)),
        single(increment("a")),
        single(increment("a")),
      );
      expect(answers.flatMap(({ results }) => results)).toMatchObject([
        { value: 7n },
        { value: 1n, revision: 1 },
        { value: 2n },
      ]);
      expect((await log(store)).map(([kind]) => kind)).toEqual([ADD, SETTINGS, EXPIRE, ADD]);
    },
  );

  it_("and its end is in the log with the change that brought the TTL, and not before it", async (opened) => {
    const { store } = opened;
    const from = opened.now();
    await apply(store, increment("a", 7n));
    await opened.pass(5 * MINUTE);
    expect(await apply(store, update("a", IDLE))).toMatchObject({ value: 7n });
    const brought = [
      [ADD, 1, 1, 7n, 7n, 0],
      [SETTINGS, 2, 1, 7n, 0n, 5 * MINUTE],
      [EXPIRE, 2, 1, 7n, 0n, 5 * MINUTE],
    ];
    expect(await log(store, from)).toEqual(brought);
    await opened.pass(MINUTE);
    await tidy(store);
    expect(await log(store, from)).toEqual(brought);
    expect(await store.get(["a"])).toEqual([undefined]);
  });

  it_("a window that ended before it expired is in the log", async (opened) => {
    const { store } = opened;
    const from = opened.now();
    await apply(store, create("a", { ...quota(opened, { value: 4n }), idleTtlMs: BigInt(3 * MINUTE) }));
    await opened.pass(5 * MINUTE);
    await apply(store, increment("a"));
    expect(await log(store, from)).toEqual([
      [CREATE, 1, 1, 4n, 4n, 0],
      [ROLL, 2, 2, 0n, -4n, MINUTE],
      [EXPIRE, 3, 2, 0n, 0n, 3 * MINUTE],
      [ADD, 1, 1, 1n, 1n, 5 * MINUTE],
    ]);
  });
}
