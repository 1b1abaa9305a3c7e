/** What a server says of its archive, and when it has a backup made for it. */
import { describe, expect, it } from "vitest";
import { ArchiveWatch } from "../../src/service/archive-watch.ts";
import type { LastBackup } from "../../src/service/backups.ts";
import type { ArchiveStatus } from "../../src/service/store-archive.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { HandClock } from "../support/clock.ts";

function watched(first: Partial<ArchiveStatus> = {}) {
  const clock = new HandClock(100_000);
  const metrics = new Metrics();
  const logged: unknown[][] = [];
  let asked = 0;
  let status: ArchiveStatus = {
    ...{
      state: "archiving",
      breaks: 0,
      upToMs: 100_000,
      beganMs: 100_000,
      isAway: false,
      failure: undefined,
      why: undefined,
    },
    ...first,
  };
  const archive = {
    get status() {
      return status;
    },
  };
  const backups: { last: LastBackup | undefined; soon(): void } = {
    last: undefined,
    soon: () => void asked++,
  };
  const log = (event: string, fields?: object) =>
    void logged.push(fields === undefined || Object.keys(fields).length === 0 ? [event] : [event, fields]);
  const watch = new ArchiveWatch(archive, backups, clock, { log, metrics });
  const value = (name: string) =>
    Number(new RegExp(`^tally_archive_${name} (.*)$`, "m").exec(metrics.read())?.[1]);
  return {
    ...{ watch, clock, backups },
    /** What is said since it was asked last. */
    said: () => logged.splice(0),
    asked: () => asked,
    value,
    becomes(next: Partial<ArchiveStatus>) {
      status = { ...status, ...next };
      watch.look();
    },
    backedUp(time: number) {
      backups.last = { file: "b.tar", time, bytes: 1, seconds: 1 };
      watch.look();
    },
  };
}

describe("an archive that is watched", () => {
  it("that begins has one backup made, and is of no use until that is there", () => {
    const at = watched({ why: "there is none yet" });
    expect(at.said()).toEqual([["archive.begun", { detail: "there is none yet" }]]);
    at.watch.look();
    expect(at.asked()).toBe(1);
    expect(at.value("broken")).toBe(1);
    expect(at.watch.warnings).toEqual([
      "Nothing can be restored through the archive before the next backup: there is none that it goes on from.",
    ]);
    at.backedUp(99_999); // One that was begun before.
    expect([at.value("broken"), at.said()]).toEqual([1, []]);
    at.backedUp(100_000);
    expect([at.value("broken"), at.said(), at.watch.warnings]).toEqual([0, [["archive.whole"]], []]);
  });

  it("that goes on from before asks for none, and says nothing", () => {
    const at = watched({ state: "opening", upToMs: 0, beganMs: 0 });
    expect(at.said()).toEqual([]);
    at.backups.last = { file: "b.tar", time: 60_000, bytes: 1, seconds: undefined };
    at.becomes({ state: "archiving", upToMs: 100_000, beganMs: 50_000 });
    expect([at.said(), at.asked(), at.value("broken")]).toEqual([[], 0, 0]);
  });

  it("whose backups were taken away is of no use until there is one again", () => {
    const at = watched({ beganMs: 50_000 });
    at.backedUp(60_000);
    at.said();
    at.backups.last = undefined;
    at.watch.look();
    expect([at.value("broken"), at.watch.warnings]).toEqual([
      1,
      [
        "Nothing can be restored through the archive before the next backup: there is none that it goes on from.",
      ],
    ]);
    at.backedUp(40_000); // One of before it was begun.
    expect(at.value("broken")).toBe(1);
    at.backedUp(100_000);
    expect([at.value("broken"), at.watch.warnings]).toEqual([0, []]);
  });

  it("that fails is told of once, and again once it had succeeded; that it breaks off, each time", () => {
    const at = watched();
    at.backedUp(100_000);
    at.said();
    const failure = "There is no room.";
    at.becomes({ failure });
    at.becomes({ failure });
    expect(at.said()).toEqual([["archive.failed", { detail: failure }]]);
    expect(at.value("broken")).toBe(0);
    expect(at.watch.warnings).toEqual(["Nothing can be archived now: There is no room."]);
    at.becomes({ state: "broken", breaks: 1, failure });
    at.becomes({ state: "broken", breaks: 1, failure });
    expect(at.said()).toEqual([["archive.broken", { detail: failure }]]);
    expect(at.watch.warnings).toEqual([
      "Nothing is archived: the archive has broken off.",
      "Nothing can be archived now: There is no room.",
    ]);
    expect(at.value("broken")).toBe(1);
    at.becomes({ state: "archiving", beganMs: 200_000, failure: undefined });
    expect(at.said()).toEqual([["archive.begun"]]);
    expect([at.asked(), at.value("broken")]).toEqual([2, 1]);
    at.backedUp(200_001);
    expect(at.said()).toEqual([["archive.whole"]]);
    at.becomes({ breaks: 2, beganMs: 300_000 }); // Between two looks.
    expect(at.said().map(([event]) => event)).toEqual(["archive.broken", "archive.begun"]);
    at.becomes({ failure });
    expect(at.said()).toEqual([["archive.failed", { detail: failure }]]);
  });

  it("whose folder is away is of no use until it is back, and wants no backup for that", () => {
    const at = watched();
    at.backedUp(100_000);
    at.said();
    const failure = "/archive is not there, or is no folder.";
    at.becomes({ isAway: true, failure });
    expect([at.value("broken"), at.asked(), at.said()]).toEqual([
      1,
      1,
      [["archive.failed", { detail: failure }]],
    ]);
    expect(at.watch.warnings).toEqual([`Nothing can be archived now: ${failure}`]);
    at.becomes({ isAway: false, failure: undefined });
    expect([at.value("broken"), at.asked(), at.watch.warnings]).toEqual([0, 1, []]);
  });

  it("is behind by how long ago it had everything, whatever keeps it from that", () => {
    const at = watched();
    expect(at.value("lag_seconds")).toBe(0);
    at.clock.advance(7_500);
    expect(at.value("lag_seconds")).toBe(7.5);
    at.becomes({ upToMs: at.clock.now() });
    expect(at.value("lag_seconds")).toBe(0);
    at.watch.close();
  });
});
