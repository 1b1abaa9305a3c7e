/**
 * What is done to the files of a store that keeps history: whatever it is, no bucket is wrong. Either it is what the log says,
 * or it shows a gap, or a new history begins and a sentence says so.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { Level } from "../../src/core/levels.ts";
import type { Points } from "../../src/core/points.ts";
import { DEFAULT_HISTORY } from "../../src/service/store-history.ts";
import { HistoryConnection } from "../../src/stores/sqlite/history/connection.ts";
import { apply, increment, set } from "../support/calls.ts";
import { FULL } from "../support/full.ts";
import { type Opened, type OpenOptions, openFresh } from "../support/opened.ts";
import { edgesOf } from "./conformance/history-expected.ts";
import { expectHistoryIsLog, Followed } from "./conformance/history-following.ts";
import { MINUTE, tidy } from "./conformance/time-log.ts";

const HOUR = 60 * MINUTE;

/** Each takes some 50 ms. */
const FLIPS = FULL ? 2_000 : 100;

/** A store in a file, followed, and what is beside it. */
class Site {
  readonly opened: Opened;
  readonly followed: Followed;
  readonly path: string;

  constructor(opened: Opened, path: string) {
    this.opened = opened;
    this.path = path;
    this.followed = new Followed(opened);
  }

  get history(): string {
    return `${this.path}-history`;
  }

  /** Count for some hours. */
  async count(hours: number): Promise<void> {
    const { store } = this.opened;
    for (let i = 0; i < hours * 4; i++) {
      await apply(store, increment("a", BigInt(i)));
      await apply(store, i % 3 === 0 ? set("b", BigInt(i)) : increment("b"));
      await this.opened.pass(HOUR / 4);
    }
    await this.asked();
    await tidy(store);
  }

  /** Something is asked, so that all has been taken in. */
  async asked() {
    const edges = edgesOf(Level.DAY, this.opened.now(), this.opened.now());
    return this.followed.query({ of: { name: "a" }, level: Level.DAY, edges });
  }

  /** Close the store, do something to the files, and open it again. Returns what it said as it opened. */
  async harmed(harm: () => void): Promise<string[]> {
    await this.followed.stop();
    await this.opened.store.close();
    this.opened.warnings.length = 0;
    harm();
    await this.opened.reopen();
    this.followed.follow();
    return this.opened.warnings;
  }

  aside(): string[] {
    return readdirSync(join(this.path, "..")).filter((name) =>
      name.startsWith(`${basename(this.history)}-before-`),
    );
  }
}

async function atSite(test: (site: Site) => Promise<void>, options: OpenOptions = {}): Promise<void> {
  let path = "";
  const newUrl = async (dir: string) => {
    path = join(dir, "tally.db");
    return `sqlite:${path}`;
  };
  const opened = await openFresh(newUrl, { history: DEFAULT_HISTORY, ...options });
  const site = new Site(opened, path);
  try {
    await test(site);
  } finally {
    await site.followed.stop();
    await opened.dispose();
  }
}

describe("the history file", () => {
  it("is there with mode 0600 where history is kept, and alone once the store is closed", () =>
    atSite(async (site) => {
      await site.count(1);
      expect(statSync(site.history).mode & 0o777).toBe(0o600);
      await site.harmed(() => {
        const beside = readdirSync(join(site.path, "..")).sort();
        expect(beside).toEqual(["tally.db", "tally.db-history", "tally.db-lock"]);
      });
    }));

  it("is not there where none is kept", async () => {
    let dir = "";
    const opened = await openFresh(async (made) => {
      dir = made;
      return `sqlite:${join(made, "tally.db")}`;
    });
    await apply(opened.store, increment("a"));
    expect([opened.store.history, readdirSync(dir).filter((name) => name.includes("history"))]).toEqual([
      undefined,
      [],
    ]);
    await opened.dispose();
  });

  it("that was removed is made again from what the log has, and that is said", () =>
    atSite(async (site) => {
      await site.count(5);
      const said = await site.harmed(() => rmSync(site.history));
      expect(said).toEqual([expect.stringMatching(/-history is missing; a new history begins, at 2026-/)]);
      await expectHistoryIsLog(site.followed, [""]);
    }));

  it.each(["a file", "nothing yet"])("may be a symbolic link to another file system: to %s", (to) =>
    atSite(async (site) => {
      await site.count(3);
      const { dev } = statSync(site.path);
      const disk = [tmpdir(), "/dev/shm"].find((each) => statSync(each).dev !== dev)!;
      const elsewhere = mkdtempSync(join(disk, "tally-history-"));
      try {
        const [target, hop] = [join(elsewhere, "kept"), join(elsewhere, "hop")];
        const said = await site.harmed(() => {
          if (to === "a file") cpSync(site.history, target);
          rmSync(site.history);
          symlinkSync("kept", hop);
          symlinkSync(hop, site.history);
        });
        expect(said).toEqual(
          to === "a file" ? [] : [expect.stringMatching(/kept is missing; a new history begins/)],
        );
        await site.count(3);
        expect(readdirSync(elsewhere).sort()).toEqual(["hop", "kept", "kept-shm", "kept-wal"]);
        expect(statSync(target).mode & 0o777).toBe(0o600);
        expect(await site.harmed(() => {})).toEqual([]);
        await expectHistoryIsLog(site.followed, [""]);
        // What is set aside stays on its disk, and the link leads to what takes its place.
        const damaged = await site.harmed(() => writeFileSync(target, "no history at all".repeat(1_000)));
        expect(damaged).toEqual([
          expect.stringMatching(/kept was set aside as kept-before-\S+: it is damaged/),
        ]);
        expect(readdirSync(elsewhere).filter((name) => name.startsWith("kept-before-"))).toHaveLength(1);
        expect(lstatSync(site.history).isSymbolicLink()).toBe(true);
        await site.count(1);
        await expectHistoryIsLog(site.followed, [""]);
      } finally {
        await site.followed.stop();
        await site.opened.store.close();
        rmSync(elsewhere, { recursive: true });
      }
    }),
  );

  it("of a link is not shared with another server", () =>
    atSite(async (site) => {
      await site.count(1);
      const holder = `import fcntl,sys,time; f = open(sys.argv[1], "r+b"); fcntl.lockf(f, fcntl.LOCK_SH); print("held", flush=True); time.sleep(99)`;
      const shared = `${site.path}.shared`;
      await site.followed.stop();
      await site.opened.store.close();
      cpSync(site.history, shared);
      rmSync(site.history);
      symlinkSync(shared, site.history);
      const other = spawn("python3", ["-c", holder, shared], { stdio: ["ignore", "pipe", "inherit"] });
      try {
        await once(other.stdout, "data");
        site.opened.warnings.length = 0;
        await site.opened.reopen();
        expect(site.opened.warnings).toEqual([
          expect.stringMatching(`^No history is kept .*${shared} is in use by process ${other.pid};`),
        ]);
        await apply(site.opened.store, increment("a")); // Counting goes on.
      } finally {
        other.kill("SIGKILL");
        await once(other, "exit");
      }
      site.followed.follow(); // It is tried again.
      await site.count(1);
      await expectHistoryIsLog(site.followed, [""]);
    }));

  it("that was put back as it was before takes in what it lacks", () =>
    atSite(async (site) => {
      await site.count(3);
      const backup = `${site.path}.backup`;
      await site.harmed(() => cpSync(site.history, backup));
      await site.count(5);
      expect(await site.harmed(() => cpSync(backup, site.history))).toEqual([]);
      await expectHistoryIsLog(site.followed, [""]);
    }));

  it("that is ahead of a data file put back as it was before is set aside", () =>
    atSite(async (site) => {
      await site.count(3);
      const backup = `${site.path}.backup`;
      await site.harmed(() => cpSync(site.path, backup));
      await site.count(2);
      const said = await site.harmed(() => cpSync(backup, site.path));
      expect(said).toEqual([
        expect.stringMatching(/set aside as tally.db-history-before-\S+: it is ahead of the data file/),
      ]);
      expect(site.aside()).toHaveLength(1);
      await site.count(1);
      await expectHistoryIsLog(site.followed, [""]);
    }));

  it("is set aside when the data file that was put back has gone on since", () =>
    atSite(async (site) => {
      await site.count(3);
      const [backup, older] = [`${site.path}.backup`, `${site.path}.older`];
      await site.harmed(() => cpSync(site.path, backup));
      await site.count(2);
      await site.harmed(() => {
        cpSync(site.history, older);
        cpSync(backup, site.path);
      });
      await site.count(4); // Further than the history that comes back.
      const said = await site.harmed(() => cpSync(older, site.history));
      expect(said).toEqual([expect.stringMatching(/set aside as .*: the data file has other changes since/)]);
      await expectHistoryIsLog(site.followed, [""]);
    }));

  it("of another store is set aside", () =>
    atSite(async (site) => {
      await site.count(2);
      await atSite(async (other) => {
        await other.count(2);
        await other.harmed(() => cpSync(other.history, `${site.path}.other`));
      });
      const said = await site.harmed(() => renameSync(`${site.path}.other`, site.history));
      expect(said).toEqual([
        expect.stringMatching(/set aside as .*: it is the history of another data file/),
      ]);
      await expectHistoryIsLog(site.followed, [""]);
    }));

  it("of a newer Tally is refused, and left as it is", () =>
    atSite(async (site) => {
      await site.count(1);
      await expect(
        site.harmed(() => {
          const db = new Database(site.history);
          db.pragma("user_version = 99");
          db.close();
        }),
      ).rejects.toThrow(/tally.db-history was written by a newer Tally \(schema 99/);
      expect(site.aside()).toEqual([]);
    }));

  it("asks for places in a log, and that the data file was emptied meanwhile shows before one is read", () =>
    atSite(async (site) => {
      const { opened, followed } = site;
      const some = async () => {
        for (let i = 0; i < 200; i++) await apply(opened.store, increment(`${"x".repeat(100)}/${i}`));
      };
      await some();
      await site.count(1);
      await followed.stop();
      await some();
      await opened.reopen(); // So that nothing of the log is in memory but its end.
      truncateSync(site.path);
      await expect(opened.store.maintain()).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
      await expect(opened.store.failed).resolves.toBeInstanceOf(Error);
    }));

  it("that cannot be opened keeps nobody from counting, and is tried again", () =>
    atSite(async (site) => {
      await site.count(1);
      const said = await site.harmed(() => {
        rmSync(site.history);
        mkdirSync(join(site.history, "in the way"), { recursive: true });
      });
      expect(said[0]).toMatch(/^No history is kept until this is mended: .*-history is a folder/);
      await apply(site.opened.store, increment("a"));
      rmSync(site.history, { recursive: true });
      site.followed.following!.errors.length = 0;
      await expect.poll(() => existsSync(site.history)).toBe(true);
      site.followed.following!.errors.length = 0;
      await expectHistoryIsLog(site.followed, [""]);
    }));

  it("that somebody else has locked misses nothing: what was undone is taken in again", () =>
    atSite(async (site) => {
      await site.count(1);
      await site.harmed(() => {}); // All is saved.
      const other = new Database(site.history);
      other.exec("BEGIN IMMEDIATE");
      await apply(site.opened.store, increment("a", 5n));
      await expect(site.asked()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
      await apply(site.opened.store, increment("a", 7n));
      other.exec("ROLLBACK");
      other.close();
      await expect.poll(() => site.asked().then(() => "answered", String)).toBe("answered");
      site.followed.following!.errors.length = 0;
      await expectHistoryIsLog(site.followed, [""]);
    }));

  const noDays = `DELETE FROM packed WHERE level = ${Level.DAY}`;
  const GONE: Readonly<Record<string, readonly string[]>> = {
    "of all levels": ["DELETE FROM packed WHERE number = 1"],
    "of days": [noDays],
    "of days, in a file that had the schema before": ["DROP TABLE day_rows; PRAGMA user_version = 1", noDays],
    "of days, where finer ones are kept no more": [`DELETE FROM packed WHERE level <> ${Level.DAY}`, noDays],
  };
  for (const [what, harms] of Object.entries(GONE)) {
    it(`that lacks packed rows ${what} says from when on`, () =>
      atSite(async (site) => {
        await site.count(40);
        const days = async () => {
          const edges = edgesOf(Level.DAY, site.opened.now() - 41 * HOUR, site.opened.now());
          return (await site.followed.query({ of: { name: "a" }, level: Level.DAY, edges })).points;
        };
        expect((await days()).gaps).not.toContain(1);
        for (const harm of harms) {
          await site.harmed(() => {
            const db = new Database(site.history);
            db.exec(harm);
            db.close();
          });
        }
        expect((await days()).gaps).toContain(1);
      }));
  }

  it("that had nothing to take in for minutes has not stood still", () =>
    atSite(async (site) => {
      const { opened, followed } = site;
      await site.count(1);
      await site.harmed(() => {}); // All is on disk.
      await site.asked();
      for (let i = 0; i < 5; i++) {
        await opened.pass(30_000);
        await opened.store.maintain();
      }
      await followed.stop();
      await apply(opened.store, increment("a"));
      await opened.store.maintain();
      await opened.store.maintain();
      expect(opened.warnings).toEqual([]);
    }));

  it("whose indexes lost a counter finds it again", () =>
    atSite(async (site) => {
      await site.count(3);
      await site.harmed(() => {
        const bytes = readFileSync(site.history);
        // In the index by names an entry is the name and the number, in the row more stands between them.
        const at = bytes.indexOf(Buffer.from([0x62, 2]));
        expect(at).toBeGreaterThan(0);
        bytes[at]! ^= 2;
        writeFileSync(site.history, bytes);
      });
      await expectHistoryIsLog(site.followed, [""]);
    }));

  const rot = "with a bit flipped says what it said before, or that something is missing, or nothing";
  it(rot, { timeout: 240_000 + FLIPS * 1_000 }, () =>
    atSite(async (site) => {
      await site.count(40);
      const [path, sound] = [`${site.path}.rot`, `${site.path}.sound`];
      await site.harmed(() => {
        cpSync(site.path, path);
        cpSync(site.history, sound);
      });
      const now = site.opened.now();
      const bytes = readFileSync(sound);
      const found = { same: 0, gaps: 0, refused: 0, aside: 0 };
      const before = answersOf(path, bytes, now, found);
      expect(found).toEqual({ same: ASKED.length, gaps: 0, refused: 0, aside: 0 });
      const seed = 20_261_128;
      const random = randomFrom(seed);
      for (let i = 0; i < FLIPS; i++) {
        const [at, bit] = [Math.floor(random() * bytes.length), Math.floor(random() * 8)];
        const flipped = Buffer.from(bytes);
        flipped[at]! ^= 1 << bit;
        const answers = answersOf(path, flipped, now, found);
        for (const [k, points] of answers?.entries() ?? []) {
          if (points === undefined) continue;
          const was = before![k]!;
          for (let p = 0; p < points.changes.length; p++) {
            if (points.gaps[p] === 1) continue;
            if (POINT.every((field) => points[field][p] === was[field][p])) continue;
            const of = (points: Points) => POINT.map((field) => points[field][p]);
            expect(of(points), `bit ${bit} of byte ${at}, seed ${seed}`).toEqual(of(was));
          }
        }
      }
    }),
  );
});

/** What is told of a point in time. */
const POINT = ["closes", "added", "changes"] as const;

const ASKED = [Level.MINUTE, Level.QUARTER, Level.DAY].flatMap((level) =>
  [{ name: "a" }, { name: "b" }, { prefix: "" }].map((of) => ({ level, of })),
);

/** What a history file of such bytes answers; undefined when a new one is begun in its place. */
function answersOf(
  path: string,
  bytes: Buffer,
  now: number,
  found: { same: number; gaps: number; refused: number; aside: number },
) {
  rmSync(`${path}-history`, { force: true });
  writeFileSync(`${path}-history`, bytes);
  let connection: HistoryConnection | undefined;
  try {
    const data = { path, options: DEFAULT_HISTORY, startId: `${Math.random()}`, now, expected: true };
    connection = new HistoryConnection(data);
    if (connection.warnings.length > 0) {
      found.aside++;
      return undefined;
    }
    connection.begin();
    return ASKED.map((asked) => {
      try {
        const edges = edgesOf(asked.level, now - 41 * HOUR, now, 2_000);
        const answer = connection!.query({ ...asked, edges }, now);
        if ("refused" in answer) throw new Error(answer.refused);
        found[answer.points.gaps.includes(1) ? "gaps" : "same"]++;
        return answer.points;
      } catch {
        found.refused++;
        return undefined;
      }
    });
  } catch {
    found.aside++;
    return undefined;
  } finally {
    try {
      connection?.abandon();
    } catch {
      // SQLite finds the damage as it closes.
    }
    for (const suffix of ["-wal", "-shm"]) rmSync(`${path}-history${suffix}`, { force: true });
  }
}

/** Numbers from 0 to 1, the same for a seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return state / 0x7fffffff;
  };
}
