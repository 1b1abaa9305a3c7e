/** A disk that is full, and one that has room again: what is said from outside, and what callers meet. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { v7 } from "uuid";
import { expect, it, onTestFinished } from "vitest";
import { DEFAULT_RETENTION } from "../../../src/service/store.ts";
import { openStore } from "../../../src/stores/open.ts";
import { TALLY } from "../../support/bundles/command.ts";
import { batch, commit, increment } from "../../support/calls.ts";
import { HandClock } from "../../support/clock.ts";
import { freePort } from "../../support/free-port.ts";
import { describeWith, type Need } from "../../support/needs.ts";
import { ServerProcess } from "../crash/server-process.ts";
import { Caller } from "./calls.ts";
import { FULL } from "./full.ts";

describeWith([mounting()], "a full disk", () => {
  it("nobody writes: ?writes says so within seconds, reads go on, and it is over once there is room", async () => {
    const { port, fill, free, caller } = await served();
    expect(await caller.increment("a")).toBe(1n);
    for (let cycle = 0; cycle < (FULL ? 20 : 2); cycle++) {
      expect(await readyz(port, "?writes")).toEqual([200, "ok\n"]);
      fill();
      await expect.poll(() => readyz(port, "?writes"), POLL).toEqual([503, "the disk is full\n"]);
      expect(await readyz(port)).toEqual([200, "ok\n"]);
      expect(await caller.get("a")).toBe(1n);
      free();
      await expect.poll(() => readyz(port, "?writes"), POLL).toEqual([200, "ok\n"]);
    }
    expect(await caller.increment("a")).toBe(2n);
  });

  it("while somebody writes: refused, not applied, counted once there is room, and nothing is lost", async () => {
    const { port, fill, free, caller } = await served();
    let counted = 0n;
    for (let cycle = 0; cycle < (FULL ? 20 : 2); cycle++) {
      fill();
      await expect.poll(() => readyz(port, "?writes"), POLL).toEqual([503, "the disk is full\n"]);
      let answer: bigint | string = 0n;
      for (let i = 0; i < 400 && typeof answer === "bigint"; i++) {
        answer = await caller.increment("a");
        if (typeof answer === "bigint") expect(answer).toBe(++counted);
      }
      if (typeof answer === "string") expect(answer).toBe("STORE_UNAVAILABLE");
      expect(await readyz(port)).toEqual([200, "ok\n"]);
      free();
      await expect.poll(() => readyz(port, "?writes"), POLL).toEqual([200, "ok\n"]);
      expect(await caller.increment("a")).toBe(++counted);
    }
    expect(await caller.get("a")).toBe(counted);
  });

  it("a copy onto it ends with a sentence, and goes on once there is room", async () => {
    const { source, disk, mount, tally } = await sourceAndDisk();
    const copy = () => tally("copy", "--from", source, "--to", `sqlite:${join(disk, "target.db")}`);
    const sentence = /^tally: A store failed: .*SQLITE_FULL.*The same command goes on from here\.\n$/;
    expect(copy()).toMatchObject({ status: 74, stderr: expect.stringMatching(sentence) });
    mount("remount,size=64m");
    expect(copy()).toMatchObject({ status: 0 });
  });
});

describeWith([mounting()], "a backup", () => {
  it("onto a disk without room is refused at once; so is what is restored of it; nothing is left", async () => {
    const { source, folder, disk, mount, tally } = await sourceAndDisk();
    const [onDisk, elsewhere] = [join(disk, "b.tar"), join(folder, "b.tar")];
    const refused = {
      status: 73,
      stderr: expect.stringMatching(
        /^tally: There is no room in \S+: \d+ MiB are needed, and \d+ MiB are free; free some, or name another folder\.\n$/,
      ),
    };
    expect(tally("backup", "--store", source, "--to", onDisk)).toMatchObject(refused);
    expect(tally("backup", "--store", source, "--to", elsewhere)).toMatchObject({ status: 0 });
    expect(tally("restore", elsewhere, "--store", `sqlite:${join(disk, "tally.db")}`)).toMatchObject(refused);
    expect(readdirSync(disk)).toEqual([]);
    mount("remount,size=64m");
    expect(tally("backup", "--store", source, "--to", onDisk)).toMatchObject({ status: 0 });
    expect(tally("restore", onDisk, "--store", `sqlite:${join(disk, "tally.db")}`)).toMatchObject({
      status: 0,
    });
  });

  it("whose disk gets full meanwhile ends with a sentence, and leaves nothing", async () => {
    const { source, disk, mount } = await sourceAndDisk();
    mount("remount,size=16m");
    const to = join(disk, "b.tar");
    const args = [TALLY, "backup", "--store", source, "--to", to, "--rate", "1MiB"];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    const copied = () => statSync(join(`${to}.part`, "copy.db"), { throwIfNoEntry: false })?.size ?? 0;
    await expect.poll(copied, { interval: 5 }).toBeGreaterThan(0);
    try {
      for (;;) writeFileSync(join(disk, "filler"), Buffer.alloc(4_096), { flag: "a" });
    } catch (error) {
      expect(error).toMatchObject({ code: "ENOSPC" });
    }
    expect(await once(child, "close")).toEqual([73, null]);
    expect(stderr).toBe(`tally: There is no room for the backup ${to}; nothing is left of it.\n`);
    expect(readdirSync(disk)).toEqual(["filler"]);
  });

  it("of a server that has little room left is not begun: its WAL would grow", async () => {
    const { store, caller } = await served();
    expect(await caller.increment("a")).toBe(1n);
    const folder = mkdtempSync(join(tmpdir(), "tally-full-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const args = [TALLY, "backup", "--store", store, "--to", join(folder, "b.tar")];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    expect([status, stderr]).toEqual([73, expect.stringContaining("has less than 64 MiB left")]);
    expect(readdirSync(folder)).toEqual([]);
    expect(await caller.increment("a")).toBe(2n);
  });
});

const POLL = { interval: 100 };

/** A store of some megabytes that nobody has, and a disk. */
async function sourceAndDisk() {
  const folder = mkdtempSync(join(tmpdir(), "tally-full-"));
  const [source, disk] = [join(folder, "source.db"), join(folder, "disk")];
  const opened = await openStore(`sqlite:${source}`, {
    ...{ clock: new HandClock(), newUid: () => v7(), cachedCountersMax: 1_000, warn: () => {} },
    retention: DEFAULT_RETENTION,
  });
  for (let i = 0; i < 20; i++)
    await commit(opened, batch(Array.from({ length: 1_000 }, (_, k) => increment(`n${i}.${k}`))));
  await opened.close();
  execFileSync("mkdir", [disk]);
  const mount = (options: string) =>
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "tally-test", disk]);
  mount("size=1m");
  onTestFinished(() => {
    execFileSync("umount", [disk]);
    rmSync(folder, { recursive: true });
  });
  const tally = (...args: string[]) => spawnSync(process.execPath, [TALLY, ...args], { encoding: "utf8" });
  return { source: `sqlite:${source}`, folder, disk, mount, tally };
}

/** A server whose data file is on a small disk of its own. */
async function served() {
  const folder = mkdtempSync(join(tmpdir(), "tally-full-"));
  const disk = join(folder, "disk");
  execFileSync("mkdir", [disk]);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m", "tally-test", disk]);
  const port = await freePort();
  const store = `sqlite:${join(disk, "tally.db")}`;
  const server = new ServerProcess({ port, store });
  onTestFinished(async () => {
    await server.kill();
    execFileSync("umount", [disk]);
    rmSync(folder, { recursive: true, force: true });
  });
  await server.ready();
  const caller = await Caller.on(port);
  onTestFinished(() => caller.close());
  const filler = join(disk, "filler");
  return {
    ...{ port, store, caller },
    fill() {
      try {
        for (;;) writeFileSync(filler, Buffer.alloc(65_536), { flag: "a" });
      } catch (error) {
        expect(error).toMatchObject({ code: "ENOSPC" });
      }
      try {
        for (;;) writeFileSync(filler, Buffer.alloc(512), { flag: "a" });
      } catch (error) {
        expect(error).toMatchObject({ code: "ENOSPC" });
      }
    },
    free: () => rmSync(filler),
  };
}

async function readyz(port: number, query = ""): Promise<[number, string]> {
  const response = await fetch(`http://127.0.0.1:${port}/readyz${query}`);
  return [response.status, await response.text()];
}

/** Permission to mount, which root has where no container keeps it. */
function mounting(): Need {
  const folder = mkdtempSync(join(tmpdir(), "tally-mount-"));
  const here = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tally-test", folder]).status === 0;
  if (here) spawnSync("umount", [folder]);
  rmSync(folder, { recursive: true });
  return { name: "permission to mount a tmpfs", install: "run as root, where mounting is allowed", here };
}
