import { expect } from "vitest";
import { ChangeKind } from "../../../src/core/change.ts";
import { apply, create, increment, remove, set, update } from "../../support/calls.ts";
import { allChanges } from "./changes.ts";
import { expectLogLeadsTo, type It, log, MINUTE, read } from "./time-log.ts";

const { ADD, SET, CREATE, SETTINGS, DELETE } = ChangeKind;

/** Refills: to the last unit, in the change of whatever meets them. */
export function refills(it_: It): void {
  const BUCKET = { min: 0n, max: 10n, refill: { amount: 3n, everyMs: 1_000 } };

  it_(
    "a token bucket gives exactly so much in so much time, in one change with what takes it",
    async (opened) => {
      const { store } = opened;
      await apply(store, create("b", BUCKET));
      const from = opened.now();
      await apply(store, increment("b", 10n));
      const { uid } = await read(store, "b");
      await opened.pass(333);
      expect(await read(store, "b")).toMatchObject({ value: 10n, revision: 2 });
      await opened.pass(1);
      expect(await read(store, "b")).toMatchObject({ value: 9n, revision: 2 });
      await opened.pass(1_000);
      // The etag from before is good: nobody has changed it.
      expect(await apply(store, set("b", 9n, { etag: `${uid}.2` }))).toEqual({
        value: 9n,
        previous: 6n,
        revision: 3,
      });
      await opened.pass(332);
      expect(await read(store, "b")).toMatchObject({ value: 9n }); // 2 ms of a third of a second were left over.
      await opened.pass(1);
      expect(await apply(store, increment("b", 2n))).toEqual({ value: 10n, previous: 8n, revision: 4 });
      const [, , second, third] = await allChanges(store);
      expect(second).toMatchObject({
        kind: SET,
        added: 3n,
        removed: 4n,
        low: 6n,
        high: 9n,
        value: 9n,
        time: from + 1_334,
      });
      expect(third).toMatchObject({ kind: ADD, added: 2n, removed: 1n, low: 8n, high: 10n, value: 10n });
      await expectLogLeadsTo(store);
      await opened.pass(MINUTE);
      expect(await read(store, "b")).toMatchObject({
        value: 0n,
        timing: { refillTime: undefined, refillCarry: 0n },
      });
      expect(await apply(store, increment("b", 10n))).toEqual({ value: 10n, previous: 0n, revision: 5 });
    },
  );

  it_(
    "a refusal says to the millisecond when there will be room; none when there never will be",
    async (opened) => {
      const { store } = opened;
      await apply(store, create("b", { ...BUCKET, value: 10n }));
      expect(await apply(store, increment("b", 4n))).toMatchObject({
        code: "ABOVE_MAX",
        retryAfterMs: 1_334,
      });
      expect(await apply(store, increment("b", 11n))).not.toHaveProperty("retryAfterMs");
      await opened.pass(1_333);
      expect(await apply(store, increment("b", 4n))).toMatchObject({ code: "ABOVE_MAX", retryAfterMs: 1 });
      await opened.pass(1);
      expect(await apply(store, increment("b", 4n))).toMatchObject({ value: 10n });
    },
  );

  it_(
    "toward an initial value from either side; other settings meet it first, and a deletion too",
    async (opened) => {
      const { store } = opened;
      const middle = { ...BUCKET, initial: 5n };
      await apply(store, create("b", { ...middle, value: 1n }));
      await opened.pass(1_000);
      expect(
        await apply(store, update("b", { refill: { amount: 1n, everyMs: 500 }, max: 8n })),
      ).toMatchObject({
        ...{ value: 4n, previous: 4n, revision: 1, counter: { value: 4n } },
      });
      await opened.pass(499);
      expect(await read(store, "b")).toMatchObject({ value: 4n });
      expect(await apply(store, set("b", 8n))).toMatchObject({ value: 8n, previous: 4n });
      await opened.pass(500);
      expect(await read(store, "b")).toMatchObject({ value: 7n }); // On the other side it begins anew.
      expect(await apply(store, remove("b", { keepHistory: true }))).toMatchObject({
        value: 7n,
        revision: 2,
      });
      expect((await log(store)).map(([kind, , , value, by]) => [kind, value, by])).toEqual([
        ...[
          [CREATE, 1n, 1n],
          [SETTINGS, 4n, 3n],
          [SET, 8n, 4n],
          [DELETE, 7n, -1n],
        ],
      ]);
    },
  );
}
