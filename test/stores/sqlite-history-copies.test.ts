/** What stands beside the files that are copied from and into: a copy neither loses a history, nor takes one for another's. */
import { cpSync, existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, it } from "vitest";
import { Level } from "../../src/core/levels.ts";
import { copyStore } from "../../src/service/copy.ts";
import { DEFAULT_HISTORY } from "../../src/service/store-history.ts";
import { apply, increment, set } from "../support/calls.ts";
import { type Opened, openFresh } from "../support/opened.ts";
import { edgesOf } from "./conformance/history-expected.ts";
import { Followed } from "./conformance/history-following.ts";
import { MINUTE, tidy } from "./conformance/time-log.ts";

const HOUR = 60 * MINUTE;

interface Site {
  readonly opened: Opened;
  readonly path: string;
  readonly history: string;
}

/** Two stores in files, the first with some hours of history, both opened to be copied. */
async function withTwo(test: (from: Site, to: Site) => Promise<void>): Promise<void> {
  const [from, to] = [await site(), await site()];
  try {
    const followed = new Followed(from.opened);
    for (let n = 0; n < 12; n++) {
      await apply(from.opened.store, n % 4 === 0 ? set("a", BigInt(n)) : increment("a"));
      await from.opened.pass(HOUR / 2);
    }
    await asked(followed);
    await tidy(from.opened.store);
    await followed.stop();
    await from.opened.reopen("copyFrom");
    await to.opened.pass(from.opened.now() - to.opened.now());
    await to.opened.reopen("copyTo");
    await test(from, to);
  } finally {
    await from.opened.dispose();
    await to.opened.dispose();
  }
}

async function site(): Promise<Site> {
  let path = "";
  const opened = await openFresh(
    async (dir) => {
      path = join(dir, "tally.db");
      return `sqlite:${path}`;
    },
    { history: DEFAULT_HISTORY },
  );
  return { opened, path, history: `${path}-history` };
}

/** All that there is of "a", by quarters of an hour. */
async function asked(followed: Followed) {
  const now = followed.opened.now();
  const edges = edgesOf(Level.QUARTER, now - 7 * HOUR, now);
  return followed.query({ of: { name: "a" }, level: Level.QUARTER, edges });
}

async function harmed({ opened }: Site, purpose: "copyFrom" | "copyTo", harm: () => void): Promise<void> {
  await opened.store.close();
  harm();
  opened.warnings.length = 0;
  await opened.reopen(purpose);
}

const copy = (from: Site, to: Site) => copyStore(from.opened.store, to.opened.store);

it("the copy's history is its own, and a start takes it for what it is", () =>
  withTwo(async (from, to) => {
    expect(await copy(from, to)).toMatchObject({ history: { counters: 1, changes: 3 } });
    await to.opened.reopen();
    await from.opened.reopen();
    expect(to.opened.warnings).toEqual([]);
    const [was, is] = [new Followed(from.opened), new Followed(to.opened)];
    expect(await asked(is)).toEqual(await asked(was));
    await Promise.all([was.stop(), is.stop()]);
    expect(readdirSync(join(to.path, "..")).filter((name) => name.includes("before"))).toEqual([]);
  }));

it("rows that are damaged are left out, and the copy has a gap from then on", () =>
  withTwo(async (from, to) => {
    let period = 0;
    await harmed(from, "copyFrom", () => {
      const db = new Database(from.history);
      const of = "level = 1 AND period_ms = (SELECT min(period_ms) FROM packed WHERE level = 1)";
      period = Number(db.prepare(`SELECT period_ms FROM packed WHERE ${of}`).pluck().get());
      db.exec(`UPDATE packed SET checksum = checksum + 1 WHERE ${of}`);
      db.close();
    });
    const copied = await copy(from, to);
    expect(copied.history).toMatchObject({ counters: 1, damagedFrom: period });
    await to.opened.reopen();
    const followed = new Followed(to.opened);
    const { points } = await asked(followed);
    expect(new Set(Array.from(points.gaps).slice(8, 20))).toEqual(new Set([1]));
    await followed.stop();
  }));

it("one that is not of the data file is not copied, which is said, and left where it is", () =>
  withTwo(async (from, to) => {
    await harmed(from, "copyFrom", () => {
      const db = new Database(from.path);
      db.exec("UPDATE history_binding SET log_id = 'another'");
      db.close();
    });
    const copied = await copy(from, to);
    expect(copied).toMatchObject({ counters: 1 });
    expect(copied.history).toBeUndefined();
    expect(from.opened.warnings).toEqual([
      expect.stringMatching(/-history is not copied: it is the history of another data file\.$/),
    ]);
    expect(existsSync(from.history)).toBe(true);
    expect(existsSync(to.history)).toBe(false);
  }));

it("one that stands beside an empty target is something of its own, whosever it is", () =>
  withTwo(async (from, to) => {
    await harmed(to, "copyTo", () => cpSync(from.history, to.history));
    await expect(copy(from, to)).rejects.toThrow(
      "history or anything else of its own; a copy needs an empty",
    );
    expect(existsSync(to.history)).toBe(true);
    await harmed(to, "copyTo", () => rmSync(to.history));
    expect(await copy(from, to)).toMatchObject({ history: { counters: 1 } });
  }));
