/** Following the changes of several stores: no commit is missed, however late it becomes visible. */
import { fc } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { LogReader } from "../../../src/service/log-reader.ts";
import type { Store } from "../../../src/service/store.ts";
import { apply, batch, commit, increment } from "../../support/calls.ts";
import { describeWith } from "../../support/needs.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { Etags, prefixed, sketches } from "../../support/random-requests.ts";
import { Follower } from "../conformance/changes.ts";
import { allPages, expanded } from "../conformance/columns.ts";
import { type OwnSchema, ownDatabase, ownSchema } from "./schema.ts";

const READER = { pageChanges: 12, keptBytesMax: 20_000, restMs: 1, lookEveryMs: 5 };

describeWith([POSTGRES], "followers of several stores on PostgreSQL", () => {
  it("a commit that took its number early and becomes visible late is not missed", async () => {
    const schema = await ownSchema((await ownDatabase()).url);
    const [late, quick] = await Promise.all([schema.open(), schema.open()]);
    const cursors = new Map([late, quick].map((store) => [store, ""]));
    const follow = async (store: Store) => {
      const from = cursors.get(store)!;
      const { changes, cursor } = await store.changesSince(from, 100);
      expect(await expanded(store, await allPages(store, 100, from))).toEqual(changes);
      cursors.set(store, cursor);
      return changes.map(({ name }) => name);
    };
    const holding = await heldBack(schema);
    for (let round = 0; round < 3; round++) {
      const letGo = await holding(`late${round}`);
      const committing = apply(late, increment(`late${round}`));
      await sleepingIn(schema);
      await apply(quick, increment(`quick${round}`));
      expect(await follow(late)).toEqual([`quick${round}`]);
      expect(await follow(quick)).toEqual([`quick${round}`]);
      await letGo();
      expect(await committing).toMatchObject({ value: 1n });
      expect(await follow(quick)).toEqual([`late${round}`]);
      expect(await follow(late)).toEqual([`late${round}`]);
      const order = await schema.sql("SELECT taken, position FROM @change_log ORDER BY taken DESC LIMIT 2");
      expect(order.map(({ position }) => Number(position))).toEqual([2 * round + 1, 2 * round + 2]); // So it was late.
    }
  });

  /**
   * Goal: each follower of any store sees every change, each counter's in order, while all stores commit. Method: random requests by three stores, two commits of each in flight, on few names, and
   * three followers by pages of different sizes, and one by columns, who know counters from the changes alone.
   */
  it("random operations by three stores, and three followers: all see everything, in order", async () => {
    const schema = await ownSchema();
    const stores = await Promise.all([schema.open(), schema.open(), schema.open()]);
    const name = fc.constantFrom("a", "b", "c", "d");
    const lane = fc.array(fc.array(sketches(name), { minLength: 1, maxLength: 5 }), {
      minLength: 8,
      maxLength: 12,
    });
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(lane, { minLength: 6, maxLength: 6 }), async (lanes) => {
        const prefix = `run${runs++}.`;
        let done = false;
        const reader = new LogReader(stores[0]!.changeLog, READER);
        const left = new AbortController();
        let [at, end] = ["", "unknown"];
        const byColumns = (async () => {
          const follower = new Follower(true);
          for await (const page of reader.follow("", left.signal)) {
            follower.take(await expanded(stores[0]!, [page]));
            at = page.cursor;
            if (at === end) break;
          }
          return follower;
        })();
        const following = stores.map(async (store, i) => {
          const follower = new Follower(true);
          for (let cursor = "", last = false; ; ) {
            const ending = done;
            const page = await store.changesSince(cursor, 1 + 5 * i);
            follower.take(page.changes);
            if (page.cursor === cursor && last) {
              end = cursor;
              return follower;
            }
            last = ending && page.cursor === cursor;
            cursor = page.cursor;
          }
        });
        const committing = lanes.map(async (each, i) => {
          const store = stores[i % 3]!;
          const etags = new Etags({ store });
          for (const requests of each) {
            await commit(store, ...(await etags.into(requests.map((sketch) => prefixed(sketch, prefix)))));
            if (i < 2) await store.maintain();
          }
        });
        const committed = Promise.all(committing).finally(() => {
          done = true;
        });
        const [followers] = await Promise.all([Promise.all(following), committed]);
        if (at === end) left.abort(); // Else it comes there yet.
        followers.push(await byColumns);
        await reader.close();
        const live = (await stores[0]!.list({ prefix, labels: {} }, "", 100)).counters.map(
          ({ name }) => name,
        );
        for (const follower of followers) {
          await follower.expectUpToDate(stores[runs % 3]!);
          follower.expectToKnow(live);
        }
      }),
      { numRuns: 4, endOnFailure: true }, // On failure fast-check prints the seed; what ran at once does not shrink.
    );
  });

  it("a page of large commits is no larger than a megabyte or so", async () => {
    const schema = await ownSchema();
    const store = await schema.open();
    const ops = Array.from({ length: 8_000 }, (_, i) => increment(`n${i}`, 2n ** 40n + BigInt(i)));
    for (let round = 0; round < 8; round++) await commit(store, batch(ops));
    const [{ bytes }] = (await schema.sql("SELECT min(length(changes)) AS bytes FROM @change_log")) as [
      { bytes: number },
    ];
    let pages = 0;
    let changes = 0;
    for (let cursor = ""; ; pages++) {
      const page = await store.changesSince(cursor, 1_000_000);
      if (page.cursor === cursor) break;
      expect(page.changes.length * (bytes / 8_000)).toBeLessThan(1_000_000 + 2 * bytes);
      changes += page.changes.length;
      cursor = page.cursor;
    }
    expect([changes, pages]).toEqual([64_000, Math.ceil((8 * bytes) / (1_000_000 + bytes))]);
  });
});

/**
 * Keeps whoever makes a counter from saving what was decided, until it is let go. By a trigger that sleeps: a lock is not
 * waited for longer than 300 ms, and who then begins anew takes another number.
 *
 * @returns  holds back who makes a counter of a name
 */
async function heldBack(schema: OwnSchema): Promise<(name: string) => Promise<() => Promise<unknown>>> {
  await schema.sql("CREATE TABLE public.held_back (name text)");
  await schema.sql(`CREATE FUNCTION public.hold_back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    WHILE EXISTS (SELECT FROM public.held_back WHERE name = NEW.name) LOOP PERFORM pg_sleep(0.005); END LOOP;
    RETURN NEW; END $$`);
  await schema.sql(
    "CREATE TRIGGER hold_back BEFORE INSERT ON @counters FOR EACH ROW EXECUTE FUNCTION public.hold_back()",
  );
  return async (name) => {
    await schema.sql("INSERT INTO public.held_back VALUES ($1)", [name]);
    return () => schema.sql("DELETE FROM public.held_back");
  };
}

/** Resolves when somebody is held back. */
async function sleepingIn(schema: OwnSchema): Promise<void> {
  const sleeps = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
  while ((await schema.sql(sleeps)).length === 0);
}
