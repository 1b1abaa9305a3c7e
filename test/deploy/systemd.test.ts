/** deploy/systemd/tally.service is what systemd can use, shuts in what it starts, and lets it do all that it does. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { EXITS } from "../../src/cli/exit.ts";
import { ROOT, Tally, tally } from "../cli/process/tally.ts";
import { TALLY } from "../support/bundles/command.ts";
import { describeWith, program } from "../support/needs.ts";

const UNIT = join(ROOT, "deploy/systemd/tally.service");
const SYSTEMD = program("systemd-analyze", { install: "apt-get install systemd" });
const STRACE = program("strace", { args: ["-V"] });
const PYTHON = program("python3");
/** By `systemd-analyze security`, times ten: 0 is shut in whole, 100 not at all. */
const EXPOSURE_MAX = 15;

const settingsOf = (name: string) =>
  [...readFileSync(UNIT, "utf8").matchAll(new RegExp(`^${name}=(.*)$`, "gm"))].map(([, value]) => value!);

describeWith([SYSTEMD], "the unit", () => {
  it("has nothing that systemd does not know", () => {
    const path = join(folder(), "tally.service");
    // Where it is installed there is what it names.
    const here = readFileSync(UNIT, "utf8").replaceAll(
      /^ExecStart=\S+ \S+/gm,
      `ExecStart=${process.execPath} ${TALLY}`,
    );
    writeFileSync(
      path,
      here.replaceAll("/opt/tally/current/node_modules/tally/README.md", join(ROOT, "README.md")),
    );
    const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", path], { encoding: "utf8" });
    expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: "" });
    writeFileSync(path, here.replace("WatchdogSec=", "WatchDogSec="));
    expect(spawnSync("systemd-analyze", ["verify", path], { encoding: "utf8" }).stderr).toContain(
      "WatchDogSec",
    );
  });

  it("exposes no more than it has to", () => {
    const args = ["security", "--no-pager", "--offline=true", `--threshold=${EXPOSURE_MAX}`, UNIT];
    const { status, stdout } = spawnSync("systemd-analyze", args, { encoding: "utf8" });
    expect(status, stdout).toBe(0);
  });

  it("waits for a stop longer than drain-grace, and starts again what a person need not look at first", () => {
    expect(Number(settingsOf("TimeoutStopSec")[0])).toBeGreaterThan(8 + 10);
    const never = settingsOf("RestartPreventExitStatus")[0]!.split(" ").map(Number);
    const again = [69, 70, 74, 75]; // As docs/configuration.md says above the table.
    const codes = Object.values(EXITS).map(([code]) => Number(code));
    expect(never.every((code) => codes.includes(code))).toBe(true);
    expect(never.filter((code) => again.includes(code))).toEqual([]);
  });
});

describeWith([SYSTEMD, STRACE, PYTHON], "what the unit lets a service call", () => {
  it("is all that it calls: counting, reading, scanning, telling systemd, and stopping", async () => {
    const dir = folder();
    const [socket, calls] = [join(dir, "notify"), join(dir, "calls")];
    const listener = new Tally("python3", [join(ROOT, "test/cli/process/notified.py"), socket]);
    await listener.printed("[]");
    const serve = ["serve", "--listen", "127.0.0.1:0", "--store", `sqlite:${join(dir, "tally.db")}`];
    const traced = ["-f", "-qq", "-o", calls, process.execPath, TALLY, ...serve];
    const server = new Tally("strace", traced, { env: { NOTIFY_SOCKET: socket, WATCHDOG_USEC: "3000000" } });
    const { port, pid } = await server.logged("server.ready");
    await listener.printed("WATCHDOG=1");
    for (const args of [["inc", "a"], ["get", "a"], ["sum"], ["top"], ["history", "a"]]) {
      expect(await tally([...args, "--server", `127.0.0.1:${port}`]).ended).toMatchObject({ code: 0 });
    }
    process.kill(Number(pid), "SIGTERM");
    expect(await server.ended).toMatchObject({ code: 0 });
    const made = readFileSync(calls, "latin1").matchAll(/^\d+ +(?:<\.\.\. )?([a-z]\w*)[ (]/gm);
    const used = new Set([...made].map(([, name]) => name!));
    expect([...used]).toEqual(expect.arrayContaining(["pwrite64", "setpriority"])); // So that it is known to be read right.
    const allowed = new Set(
      settingsOf("SystemCallFilter").flatMap((set) => (set.startsWith("~") ? [] : callsOf(set))),
    );
    for (const set of settingsOf("SystemCallFilter"))
      if (set.startsWith("~")) for (const call of callsOf(set.slice(1))) allowed.delete(call);
    const denied = [...used].filter((call) => !allowed.has(call));
    expect(denied.filter((call) => call !== "fchown")).toEqual([]); // SQLite, as root alone: the unit's user is not.
  });
});

/** What is in a set of calls, and in those that it names. */
function callsOf(set: string): string[] {
  const listed = execFileSync("systemd-analyze", ["syscall-filter", "--no-pager", set], { encoding: "utf8" });
  const lines = listed.split("\n").map((line) => line.trim());
  const items = lines.filter((line) => line !== "" && line !== set && !line.startsWith("#"));
  return items.flatMap((item) => (item.startsWith("@") ? callsOf(item) : [item]));
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "tally-unit-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
