/** Pages that SQLite itself finds damaged, when it reads or when it writes: they cost the calls that need them, and no others. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { v7 } from "uuid";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { CORRUPT } from "../../src/core/counter.ts";
import type { RequestIdRetention } from "../../src/core/request-ids.ts";
import { DEFAULTS } from "../../src/core/settings.ts";
import { Policies } from "../../src/service/policies.ts";
import { DEFAULT_RETENTION, type Store } from "../../src/service/store.ts";
import { openStore } from "../../src/stores/open.ts";
import {
  type Asked,
  apply,
  batch,
  commit,
  create,
  increment,
  remove,
  single,
  update,
} from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";
import { folderInMemory } from "../support/folder.ts";

const COUNTERS = 360;
const nameOf = (i: number) => `shop:item.${String(i).padStart(4, "0")}`;
const idOf = (i: number) => `id-${String(i).padStart(4, "0")}`;
const all = Array.from({ length: COUNTERS }, (_, i) => i);

/** A stopped file, in which counter i has the value i + 1000, counted under an id. */
let sound: Buffer;
let pagesOf: (table: string) => { page: number; type: "internal" | "leaf" }[];
let dir: string;
let clock: HandClock;
let store: Store | undefined;
let warnings: string[];

async function opened(kept: RequestIdRetention = DEFAULT_RETENTION): Promise<Store> {
  const retention = { ...DEFAULT_RETENTION, ...kept };
  const options = { clock, newUid: () => v7(), cachedCountersMax: 100, retention };
  warnings = [];
  store = await openStore(`sqlite:${join(dir, "tally.db")}`, {
    ...options,
    warn: (message) => warnings.push(message),
  });
  return store;
}

beforeAll(async () => {
  dir = mkdtempSync(join(folderInMemory(), "tally-damaged-pages-"));
  clock = new HandClock();
  const store = await opened();
  const settings = (i: number) => ({
    labels: { team: `t${i % 5}` },
    ...(i % 2 === 0 && { idleTtlMs: 3_600_000n }),
  });
  await commit(store, ...all.map((i) => single(create(nameOf(i), { value: BigInt(i), ...settings(i) }))));
  await commit(store, ...all.map((i) => single(increment(nameOf(i), 1000n), { id: idOf(i) })));
  await store.close();
  sound = readFileSync(join(dir, "tally.db"));
  const db = new Database(join(dir, "tally.db"), { readonly: true });
  const rows = db.prepare("SELECT name, pageno AS page, pagetype AS type FROM dbstat").all() as {
    name: string;
    page: number;
    type: "internal" | "leaf";
  }[];
  db.close();
  pagesOf = (table) => rows.filter(({ name }) => name === table);
  return () => rmSync(dir, { recursive: true, force: true });
});
afterEach(async () => {
  await store?.close().catch(() => {}); // What is damaged may be what closing writes.
  store = undefined;
});

/** The page in the middle of those of a kind has one bit of it flipped. */
async function openedWithFlip(
  table: string,
  where: "a pointer" | "its free space" | "its kind",
  retention: RequestIdRetention = DEFAULT_RETENTION,
): Promise<Store> {
  const pages = pagesOf(table).filter(({ type }) => (type === "internal") === (where === "a pointer"));
  const { page } = pages[pages.length >> 1]!;
  const bytes = Buffer.from(sound);
  const start = (page - 1) * 4096;
  // Of a page above others: which page is left of its cell in the middle. Of one below: where its free space begins, or
  // what kind of page it is, without which nothing of it can be read.
  const cells = bytes.readUInt16BE(start + 3);
  const at =
    where === "a pointer"
      ? start + bytes.readUInt16BE(start + 12 + 2 * (cells >> 1))
      : start + (where === "its kind" ? 0 : 1);
  bytes[at]! ^= 0x10;
  for (const each of ["", "-wal", "-shm"]) rmSync(join(dir, `tally.db${each}`), { force: true });
  writeFileSync(join(dir, "tally.db"), bytes);
  return opened(retention);
}

interface Told {
  code?: string | undefined;
  part?: string | undefined;
  name?: string | undefined;
  replayed: boolean;
  value?: bigint | undefined;
}

/** What each call was answered: the value, or the refusal. Those that were told to come again have done so. */
async function answered(store: Store, asked: readonly Asked[]) {
  const told = asked.map((): Told => ({ code: AGAIN, replayed: false }));
  for (let left = told.length; left > 0; ) {
    const again = [...told.keys()].filter((k) => told[k]!.code === AGAIN);
    const answers = await commit(store, ...again.map((k) => asked[k]!));
    for (const [i, { refused, replayed, results }] of answers.entries()) {
      const result = refused ?? results.find((each) => "code" in each) ?? results[0]!;
      told[again[i]!] =
        "code" in result
          ? { code: result.code, part: result.part, name: result.name, replayed }
          : { value: result.value, replayed };
    }
    const still = told.filter(({ code }) => code === AGAIN).length;
    expect(still, "those that are told to come again get fewer").toBeLessThan(left);
    left = still;
  }
  return told;
}

const AGAIN = "STORE_UNAVAILABLE";

const kinds = [
  ["counts", "its free space"],
  ["counter_names", "a pointer"],
  ["counter_names", "its free space"],
  ["counter_labels", "a pointer"],
  ["counter_labels", "its free space"],
  ["request_ids_0", "a pointer"],
  ["request_ids_0", "its free space"],
  ["timings", "its free space"],
] as const;

describe("a page that SQLite finds damaged costs only the calls that need it", () => {
  it.each(kinds)("%s, in %s", async (table, where) => {
    const store = await openedWithFlip(table, where);
    const expected = new Map<string, bigint | undefined>(all.map((i) => [nameOf(i), BigInt(i + 1000)]));
    const refusals = new Map<string, number>();
    const meeting: Asked[] = [];
    /** Have some calls answered, one a name; each is applied, replayed or refused for the damage. */
    const judged = async (kind: string, names: readonly string[], asked: readonly Asked[]) => {
      const answers = await answered(store, asked);
      for (const [k, { code, part, name: of, replayed, value }] of answers.entries()) {
        const name = names[k]!;
        if (code !== undefined) {
          // Also where SQLite itself has found it: which counter it is about, and what is damaged.
          expect([code, part, of], `${kind} of ${name}`).toEqual([
            "ROW_CORRUPT",
            table === "request_ids_0" ? "request_id" : "counter",
            name,
          ]);
          refusals.set(kind, (refusals.get(kind) ?? 0) + 1);
          meeting.push(asked[k]!);
        } else if (kind === "delete") expected.set(name, undefined);
        else if (replayed) expect(value).toBe(expected.get(name));
        else expected.set(name, value);
      }
      return answers;
    };

    // What was answered before is answered again, and never applied.
    const retries = await judged(
      "retry",
      all.map(nameOf),
      all.map((i) => single(increment(nameOf(i), 1000n), { id: idOf(i) })),
    );
    expect(retries.every(({ code, replayed }) => code !== undefined || replayed)).toBe(true);

    // New ids stand beside the old ones, all over the table.
    const third = all.filter((i) => i % 3 === 1);
    const counting = third.map((i) => single(increment(nameOf(i)), { id: `${idOf(i)}+` }));
    const counted = await judged("count", third.map(nameOf), counting);
    for (const [k, { value }] of counted.entries())
      if (value !== undefined) expect(value).toBe(BigInt(third[k]! + 1001));
    const again = await judged("count again", third.map(nameOf), counting);
    for (const [k, { code, replayed, value }] of again.entries()) {
      // What was refused was not applied: by now there may be a sound place for it.
      if (counted[k]!.code === undefined)
        expect({ code, replayed, value }).toEqual({ ...counted[k], replayed: true });
      else if (code === undefined) expect(value).toBe(BigInt(third[k]! + 1001));
    }

    // New counters, and others with other labels.
    const made = all.filter((i) => i % 3 === 0).map((i) => `${nameOf(i)}+`);
    await judged(
      "make",
      made,
      made.map((name) => single(create(name, { labels: { team: "t2" } }))),
    );
    const relabel = third.map(nameOf).map((name) => batch([update(name, { labels: { team: "t9" } })]));
    const relabelled = await answered(store, relabel);
    for (const { code } of relabelled) expect([undefined, "ROW_CORRUPT"]).toContain(code);

    // All or nothing: with a damaged counter nothing, beside which others count.
    const pairs = all.slice(0, 100).map((i) => [nameOf(i), nameOf(COUNTERS - 1 - i)] as const);
    const grouped = await answered(
      store,
      pairs.map(([one, other]) =>
        batch([increment(one), increment(other)], { allOrNothing: true, id: `g ${one}` }),
      ),
    );
    for (const [k, { code }] of grouped.entries()) {
      if (code !== undefined) expect(code).toBe("ROW_CORRUPT");
      else for (const name of pairs[k]!) expected.set(name, expected.get(name)! + 1n);
    }

    const gone = all.filter((i) => i % 7 === 0).map(nameOf);
    await judged(
      "delete",
      gone,
      gone.map((name) => single(remove(name))),
    );

    // In one commit with calls that meet the damage, others are answered at once.
    const meets: Asked[] = [];
    for (const each of meeting.toReversed())
      if (meets.length < 3 && (await commit(store, each))[0]!.refused?.code === "ROW_CORRUPT")
        meets.push(each);
    const well: string[] = [];
    for (const name of expected.keys()) {
      if (expected.get(name) === undefined || well.length === 4) continue;
      const [alone] = await answered(store, [single(increment(name))]);
      if (alone!.code === undefined && well.push(name)) expected.set(name, alone!.value);
    }
    expect(meets.length).toBeGreaterThan(0);
    const mixed = await commit(
      store,
      ...well.flatMap((name, k) => [single(increment(name), { id: `zz${k}` }), ...meets.slice(k, k + 1)]),
    );
    for (const name of well) expected.set(name, expected.get(name)! + 1n);
    expect(mixed.flatMap(({ refused, results }) => refused ?? results)).toEqual(
      well.flatMap((name, k) => [
        expect.objectContaining({ value: expected.get(name) }),
        ...meets.slice(k, k + 1).map(() => expect.objectContaining({ code: "ROW_CORRUPT" })),
      ]),
    );

    // Some were refused, and far from all; and upkeep goes on beside it.
    clock.advance(2_000);
    await store.maintain();
    const refused = [...refusals.values()].reduce((a, b) => a + b, 0);
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThan(COUNTERS);
    expect(await apply(store, increment("elsewhere"))).toMatchObject({ value: 1n });

    // What was answered is what is there, also after a start.
    await store.close();
    const found = await (await opened()).get([...expected.keys()]);
    for (const [k, [name, value]] of [...expected].entries()) {
      const counter = found[k];
      if (counter !== CORRUPT) expect(counter?.value, name).toBe(value);
    }
  });

  it("a damaged end of the change log is none of these: nothing can be written, and the words say why", async () => {
    const store = await openedWithFlip("change_log", "its free space");
    await expect(apply(store, increment("any"))).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("the file is damaged in the end of the change log"),
    });
    expect(await store.get([nameOf(3)])).toMatchObject([{ value: 1003n }]);
  });

  it("where generations of request ids cannot be closed, ids are kept, never applied twice, and refused when there is no room", async () => {
    const kept = { ...DEFAULT_RETENTION, requestIdsFloorMs: 0, requestIdsBytesMax: 60_000 };
    const store = await openedWithFlip("request_id_generations", "its free space", kept);
    clock.advance(4 * kept.requestIdsKeepMs);
    const counted = await commit(store, single(increment(nameOf(3), 1n), { id: "z" }));
    expect(counted).toMatchObject([{ replayed: false, results: [{ value: 1004n }] }]);
    for (let k = 0; k < 3; k++) {
      await store.maintain();
      clock.advance(kept.requestIdsKeepMs);
      // All that ids were counted under before is answered as it was, however long it is.
      const [old, young] = await commit(
        store,
        single(increment(nameOf(5), 1000n), { id: idOf(5) }),
        single(increment(nameOf(3), 1n), { id: "z" }),
      );
      expect([old, young]).toMatchObject([
        { replayed: true, results: [{ value: 1005n }] },
        { replayed: true, results: [{ value: 1004n }] },
      ]);
    }
    let code: string | undefined;
    for (let k = 0; k < 1_000 && code === undefined; k++)
      code = (await commit(store, single(increment("filling"), { id: `z${k}` })))[0]!.refused?.code;
    expect(code).toBe("REQUEST_IDS_FULL");
    expect(await apply(store, increment("elsewhere"))).toMatchObject({ value: 1n });
    await store.maintain();
    const told = warnings.filter((warning) => warning.includes("damaged in"));
    expect(told[0]).toContain("damaged in request_id_generations");
    expect(new Set(told).size).toBe(told.length);
    await store.close(); // In order: it is not that which fails.
    expect(await (await opened()).get([nameOf(3), nameOf(5)])).toMatchObject([
      { value: 1004n },
      { value: 1005n },
    ]);
  });

  it("where generations of request ids cannot be read, a start says that it is these", async () => {
    await expect(openedWithFlip("request_id_generations", "its kind")).rejects.toThrow(
      "What the file says of its request ids is damaged (request_id_generations)",
    );
  });

  it.each(["its free space", "its kind"] as const)(
    "where it is not kept how far policies are carried through, for %s, they are all the same, and commits go on",
    async (where) => {
      const store = await openedWithFlip("policy_sweep", where);
      const policies = new Policies(store.catalogue!);
      const bounded = (max: bigint) => policies.set("pol:", { ...DEFAULTS, max }, "enforce");
      /** Beyond the ten minutes for which a clock that has jumped is doubted. */
      const tended = async () => {
        for (let k = 0; k < 15; k++) {
          while (await store.maintain());
          clock.advance(60_000);
        }
      };
      const names = ["pol:a", "pol:b", "pol:c"];
      await bounded(1_000n);
      await commit(store, ...names.map((name) => single(increment(name, 100n))));
      await tended();
      await bounded(90n);
      // Beyond the bound of its policy: the commit notes that it is to be looked at again.
      expect(await apply(store, increment("pol:a", -1n))).toMatchObject({ value: 99n });
      expect(await store.get(names)).toMatchObject([{ max: 99n }, { max: 1_000n }, { max: 1_000n }]);
      await tended();
      expect(await store.get(names)).toMatchObject([{ max: 99n }, { max: 100n }, { max: 100n }]);
      await bounded(1_200n);
      await tended();
      expect(await store.get(names)).toMatchObject([{ max: 1_200n }, { max: 1_200n }, { max: 1_200n }]);
      expect(await apply(store, increment("pol:b"))).toMatchObject({ value: 101n });
      const told = warnings.filter((warning) => warning.includes("damaged in"));
      expect(told).toEqual([expect.stringContaining("damaged in policy_sweep")]);
      await store.close();
    },
  );

  it("upkeep passes over what is damaged, says so once, and does the rest", async () => {
    const store = await openedWithFlip("due_counters", "its free space");
    clock.advance(3_600_000 + 120_000);
    for (let k = 0; k < 2; k++) {
      while (await store.maintain());
      clock.advance(60_000);
    }
    expect(warnings.filter((warning) => warning.includes("damaged in"))).toEqual([
      expect.stringContaining("counters that are due"),
    ]);
    expect(await apply(store, increment("elsewhere"))).toMatchObject({ value: 1n });
  });
});
