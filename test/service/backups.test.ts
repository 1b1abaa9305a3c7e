/** When a server makes backups, what it keeps of them, and what it says. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TallyError } from "../../src/core/errors.ts";
import { type BackupSettings, Backups } from "../../src/service/backups.ts";
import type { BackupMaking, BackupToMake } from "../../src/service/store-backup.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { HandClock } from "../support/clock.ts";

const HOUR = 3_600_000;
let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "tally-backups-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Backups of a store that takes as long as a test wants it to. */
function made(settings: Partial<BackupSettings> = {}, clock = new HandClock(Date.UTC(2026, 0, 5, 6))) {
  const logged: [event: string, fields: unknown][] = [];
  const metrics = new Metrics();
  const asked: BackupToMake[] = [];
  let whole = Promise.withResolvers<void>();
  const making: BackupMaking = {
    name: "tally.db",
    folder: dir,
    async make(options) {
      asked.push(options);
      await Promise.race([
        whole.promise,
        new Promise((_, reject) => options.signal.addEventListener("abort", () => reject(STOPPED))),
      ]);
      writeFileSync(options.to, "backup", { flag: "wx" });
      return { store: "", manifest: {} as never, bytes: 6, served: true };
    },
    isWhole: (file) => !["", "cut"].includes(readFileSync(file, "utf8")),
  };
  const backups = new Backups(
    making,
    { dir, everyMs: 24 * HOUR, keep: 2, bytesPerSecond: 5, ...settings },
    clock,
    { log: (event, fields) => void logged.push([event, fields]), metrics },
  );
  const value = (name: string) => Number(new RegExp(`^${name} (.*)$`, "m").exec(metrics.read())?.[1]);
  return {
    ...{ backups, clock, logged, asked, value },
    /** Let those end that are made from now on, and the one that is. */
    end(how: "good" | Error = "good") {
      const before = whole;
      whole = Promise.withResolvers();
      whole.promise.catch(() => {});
      if (how === "good") before.resolve();
      else before.reject(how);
    },
    async one(how: "good" | Error = "good") {
      const running = backups.look();
      this.end(how);
      await running;
    },
  };
}

const STOPPED = new TallyError("CALL_CANCELLED", "it was stopped");
const FULL = new TallyError(
  "STORE_UNAVAILABLE",
  "There is no room in /b: 5 MiB are needed, and 1 MiB are free.",
);

describe("backups that a server makes", () => {
  it("are made into the folder, the first at once where there is none, named by when they were begun, and told of", async () => {
    const at = made();
    await at.one();
    const file = join(dir, "tally.db-2026-01-05T06-00-00Z.tar");
    expect(at.asked).toMatchObject([
      { to: file, part: join(dir, "tally.db-backup.part"), bytesPerSecond: 5 },
    ]);
    const last = { file, time: Date.UTC(2026, 0, 5, 6), bytes: 6, seconds: 0 };
    expect(at.backups.last).toEqual(last);
    expect(at.logged).toEqual([["backup.made", { file, bytes: 6, seconds: 0 }]]);
    expect(at.value("tally_backup_last_time_seconds")).toBe(last.time / 1_000);
    expect(at.value("tally_backup_last_bytes")).toBe(6);
    expect(at.value("tally_backup_every_seconds")).toBe(86_400);
    at.clock.advance(24 * HOUR - 1);
    expect(at.backups.look()).toBeUndefined();
    at.clock.advance(1);
    await at.one();
    expect(readdirSync(dir)).toEqual([
      "tally.db-2026-01-05T06-00-00Z.tar",
      "tally.db-2026-01-06T06-00-00Z.tar",
    ]);
  });

  it("one that is due while another is made is left out, and said; the next is made at its time", async () => {
    const at = made();
    const first = at.backups.look();
    at.clock.advance(25 * HOUR);
    expect(at.backups.look()).toBe(first);
    expect(at.backups.look()).toBe(first);
    expect(at.logged).toEqual([["backup.skipped", undefined]]);
    at.end();
    await first;
    expect(at.asked).toHaveLength(1);
    at.clock.advance(23 * HOUR);
    await at.one();
    expect(at.asked).toHaveLength(2);
  });

  it("the oldest give way, and nothing else that is in the folder", async () => {
    const others = [
      "tally.db-2020-01-01T00-00-00Z.tar.part",
      "tally.db-2020-01-01.tar",
      "other.db-2020-01-01T00-00-00Z.tar",
      "tally.db",
      "xtally.db-2020-01-01T00-00-00Z.tar",
    ];
    for (const name of others) writeFileSync(join(dir, name), "");
    const at = made();
    for (let day = 0; day < 4; day++) {
      await at.one();
      at.clock.advance(24 * HOUR);
    }
    const ours = ["tally.db-2026-01-07T06-00-00Z.tar", "tally.db-2026-01-08T06-00-00Z.tar"];
    expect(readdirSync(dir)).toEqual([...others, ...ours].sort());
  });

  it("the one just made is kept, though the clock went back and its name is the oldest", async () => {
    for (const day of ["2030-01-01", "2030-01-02"])
      writeFileSync(join(dir, `tally.db-${day}T00-00-00Z.tar`), "12345");
    const at = made({ keep: 1 });
    at.clock.advance(24 * HOUR);
    await at.one();
    expect(readdirSync(dir)).toEqual(["tally.db-2026-01-06T06-00-00Z.tar"]);
  });

  it("one that failed is told of until one is made, tried again within the hour, and takes none away", async () => {
    const at = made({ keep: 1 });
    await at.one();
    at.clock.advance(24 * HOUR);
    await at.one(FULL);
    expect(at.logged.at(-1)).toEqual(["backup.failed", { detail: FULL.message, err: undefined }]);
    expect(at.backups.warnings).toEqual([`The last backup failed: ${FULL.message}`]);
    expect(at.value("tally_backup_failures_total")).toBe(1);
    expect(at.backups.last?.time).toBe(Date.UTC(2026, 0, 5, 6));
    expect(readdirSync(dir)).toHaveLength(1);
    at.clock.advance(HOUR - 1);
    expect(at.backups.look()).toBeUndefined();
    at.clock.advance(1);
    await at.one();
    expect(at.backups.warnings).toEqual([]);
    expect(at.backups.last?.time).toBe(Date.UTC(2026, 0, 6, 7));
  });

  it("a start goes on from the newest that is there", async () => {
    mkdirSync(join(dir, "tally.db-2026-01-05T05-00-00Z.tar")); // No file.
    writeFileSync(join(dir, "tally.db-2026-01-04T12-00-00Z.tar"), "12345");
    const at = made();
    expect(at.backups.last).toMatchObject({ time: Date.UTC(2026, 0, 4, 12), bytes: 5, seconds: undefined });
    at.clock.advance(6 * HOUR - 1);
    expect(at.backups.look()).toBeUndefined();
    at.clock.advance(1);
    await at.one();
    expect(at.asked).toHaveLength(1);
  });

  it.each([
    ["of a time that has not come", "tally.db-2050-01-01T00-00-00Z.tar", "12345"],
    ["that is empty", "tally.db-2026-01-05T05-00-00Z.tar", ""],
    ["that is cut off", "tally.db-2026-01-05T05-00-00Z.tar", "cut"],
  ])("one %s is no backup, and keeps the next off not at all", async (_, name, text) => {
    writeFileSync(join(dir, name), text);
    const at = made();
    expect(at.backups.last).toBeUndefined();
    expect(at.value("tally_backup_last_time_seconds")).toBe(0);
    await at.one();
    expect(at.asked).toHaveLength(1);
    expect(at.backups.last?.time).toBe(Date.UTC(2026, 0, 5, 6));
  });

  it("one that is cut off is told of once, keeps no good one from being kept, and is not taken away", async () => {
    const cut = "tally.db-2026-01-04T12-00-00Z.tar";
    writeFileSync(join(dir, cut), "cut");
    writeFileSync(join(dir, "tally.db-2026-01-03T12-00-00Z.tar"), "12345");
    const at = made();
    expect(at.backups.last).toMatchObject({ time: Date.UTC(2026, 0, 3, 12) });
    await at.one();
    expect(readdirSync(dir)).toEqual([
      "tally.db-2026-01-03T12-00-00Z.tar",
      cut,
      "tally.db-2026-01-05T06-00-00Z.tar",
    ]);
    expect(at.logged.filter(([event]) => event === "backup.damaged")).toEqual([
      ["backup.damaged", { file: cut }],
    ]);
    const warning = `${cut} in backup-dir is no whole backup, and counts for none: move it away.`;
    expect(at.backups.warnings).toEqual([warning]);
    rmSync(join(dir, cut));
    at.clock.advance(24 * HOUR);
    await at.one();
    expect(at.backups.warnings).toEqual([]);
    expect(readdirSync(dir)).toHaveLength(2);
  });

  it("one that is gone is noticed, told of once, and another made; no sooner than an hour after it, for each may be moved away", async () => {
    const at = made();
    await at.one();
    const first = at.backups.last!.file;
    await at.backups.glance();
    expect(at.logged).toHaveLength(1);
    at.clock.advance(HOUR / 2);
    rmSync(first);
    await at.backups.glance();
    await at.backups.glance();
    expect(at.logged.slice(1)).toEqual([["backup.gone", { file: first }]]);
    expect(at.backups.last).toBeUndefined();
    expect(at.value("tally_backup_last_time_seconds")).toBe(0);
    expect(at.backups.warnings).toEqual([
      "tally.db-2026-01-05T06-00-00Z.tar is gone from backup-dir, and there is no other backup in it.",
    ]);
    at.clock.advance(HOUR / 2 - 1);
    expect(at.backups.look()).toBeUndefined();
    at.clock.advance(1);
    await at.one();
    expect(at.backups.last?.time).toBe(Date.UTC(2026, 0, 5, 7));
    expect(at.backups.warnings).toEqual([]);
    at.clock.advance(12 * HOUR);
    rmSync(at.backups.last!.file);
    await at.backups.glance();
    await at.one();
    expect(at.backups.last?.time).toBe(Date.UTC(2026, 0, 5, 19)); // At once.
  });

  it("one that is gone leaves the one before as the newest; a folder that comes back has what it had", async () => {
    const at = made();
    await at.one();
    at.clock.advance(24 * HOUR);
    await at.one();
    const [older, newer] = readdirSync(dir).map((name) => join(dir, name));
    rmSync(newer!);
    await at.backups.glance();
    expect([at.backups.last?.file, at.backups.warnings]).toEqual([older, []]);
    renameSync(dir, `${dir}-away`);
    await at.backups.glance();
    expect([at.backups.last, at.backups.warnings.length]).toEqual([undefined, 1]);
    renameSync(`${dir}-away`, dir);
    await at.backups.glance();
    expect([at.backups.last?.file, at.backups.warnings]).toEqual([older, []]);
  });

  it("a folder that is not there is no reason not to start", async () => {
    rmSync(dir, { recursive: true });
    expect(made().backups.last).toBeUndefined();
    mkdirSync(dir);
  });

  it("without a time none is made; a close stops the one that is, and is no failure", async () => {
    expect(made({ everyMs: undefined }).backups.look()).toBeUndefined();
    const at = made();
    void at.backups.look();
    await at.backups.close();
    expect(at.logged).toEqual([]);
    at.clock.advance(48 * HOUR);
    expect(at.backups.look()).toBeUndefined();
    expect(readdirSync(dir)).toEqual([]);
  });
});
