/** Backups that a server makes by itself, as an operator sees them. */
import { existsSync, mkdirSync, readdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { v7 } from "uuid";
import { describe, expect, it } from "vitest";
import { DEFAULT_RETENTION } from "../../../src/service/store.ts";
import { openStore } from "../../../src/stores/open.ts";
import { TALLY } from "../../support/bundles/command.ts";
import { batch, commit, increment } from "../../support/calls.ts";
import { HandClock } from "../../support/clock.ts";
import { tally as inHere, shell } from "../cli.ts";
import { folder, serve, Tally, tally } from "./tally.ts";

/** A store that takes seconds to back up at 1 MiB a second. */
async function large(path: string): Promise<void> {
  const store = await openStore(`sqlite:${path}`, {
    ...{ clock: new HandClock(), newUid: () => v7(), cachedCountersMax: 1_000, warn: () => {} },
    retention: DEFAULT_RETENTION,
  });
  for (let i = 0; i < 10; i++)
    await commit(
      store,
      batch(Array.from({ length: 1_000 }, (_, k) => increment(`${"n".repeat(200)}${i}.${k}`))),
    );
  await store.close();
}

function withBackups(dir: string, ...more: string[]) {
  return serve([
    ...["--store", `sqlite:${join(dir, "tally.db")}`],
    ...["--backup-dir", join(dir, "backups"), "--backup-every", "1h", ...more],
  ]);
}

function folders(): string {
  const dir = folder();
  mkdirSync(join(dir, "backups"));
  return dir;
}

describe("a server with backup-dir and backup-every", () => {
  it("makes one, says so in its log and in `tally info`, and it is restored like all others", async () => {
    const dir = folders();
    const server = withBackups(dir, "--backup-keep", "3");
    const { address } = await server.logged("server.ready");
    const { file, bytes } = await server.logged("backup.made");
    expect(file).toMatch(/\/backups\/tally\.db-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ\.tar$/);
    expect(readdirSync(join(dir, "backups"))).toEqual([`${file}`.split("/").at(-1)]);
    expect(statSync(`${file}`)).toMatchObject({ size: bytes });
    const info = await inHere(["info", "--server", `${address}`, "-o", "json"]);
    expect(JSON.parse(info.stdout)).toMatchObject({
      lastBackup: { file, bytes: `${bytes}`, duration: expect.stringMatching(/s$/) },
      warnings: [],
    });
    expect((await inHere(["info", "--server", `${address}`])).stdout).toMatch(
      new RegExp(`^backup +\\S+Z, [\\d.]+ MiB, in [\\d.]+ s: ${file}$`, "m"),
    );
    expect(await inHere(["verify", `${file}`])).toMatchObject({ code: 0 });
    const args = ["-c", `"$0" "$1" verify <(cat "$2")`, process.execPath, TALLY, `${file}`];
    expect(await new Tally("bash", args).ended).toMatchObject({ code: 0 });
    const restored = join(dir, "restored.db");
    expect(await inHere(["restore", `${file}`, "--store", `sqlite:${restored}`])).toMatchObject({ code: 0 });
    server.child.kill("SIGTERM");
    expect(await server.ended).toMatchObject({ code: 0, stderr: "" });
  });

  it("tells of one that failed, and of why, while it is so", async () => {
    const dir = folder(); // Without the folder for them.
    const server = withBackups(dir);
    const { address } = await server.logged("server.ready");
    const { detail } = await server.logged("backup.failed");
    expect(detail).toMatch(/^Nothing can be written in \S+backups\/tally\.db-backup\.part \(ENOENT\); /);
    const info = await inHere(["info", "--server", `${address}`, "-o", "json"]);
    expect(JSON.parse(info.stdout)).toMatchObject({ warnings: [`The last backup failed: ${detail}`] });
  });

  it("with archive-dir, begins an archive with one, goes on with it after a kill, and tells what is wrong with it", async () => {
    const dir = folders();
    const archive = join(dir, "archive");
    mkdirSync(archive);
    const first = withBackups(dir, "--archive-dir", archive);
    const { address } = await first.logged("server.ready");
    expect(await first.logged("archive.begun")).toMatchObject({ level: "info", detail: "there is none yet" });
    await first.logged("archive.whole");
    expect(await inHere(["inc", "visits", "5", "--server", `${address}`])).toMatchObject({ code: 0 });
    first.child.kill("SIGKILL");
    await first.ended;

    const second = withBackups(dir, "--archive-dir", archive);
    const at = ["--server", `${(await second.logged("server.ready")).address}`];
    expect(await inHere(["inc", "visits", "2", ...at])).toMatchObject({ code: 0, stdout: "7\n" });
    renameSync(archive, `${archive}-away`);
    expect(await second.logged("archive.failed")).toMatchObject({
      level: "warn",
      detail: expect.stringMatching(/archive/),
    });
    expect(await inHere(["inc", "visits", "1", ...at])).toMatchObject({ code: 0, stdout: "8\n" });
    const warnings = async () =>
      (JSON.parse((await inHere(["info", ...at, "-o", "json"])).stdout) as { warnings: string[] }).warnings;
    expect(await warnings()).toEqual([expect.stringMatching(/^Nothing can be archived now: .*archive/)]);
    renameSync(`${archive}-away`, archive);
    await expect.poll(warnings, { interval: 500 }).toEqual([]); // Each is a process.
    second.child.kill("SIGTERM");
    expect(await second.ended).toMatchObject({ code: 0, stderr: "" });

    const restore = (to: string, ...until: string[]) =>
      inHere([
        ...["restore", join(dir, "backups"), "--archive", archive, ...until],
        ...["--store", `sqlite:${join(dir, to)}`],
      ]);
    const { code, stdout, stderr } = await restore("a.db");
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^as of +\S+Z, position 3 of the change log$/m);
    expect(stderr).toMatch(/What was changed after \S+Z is not in it/);
    expect(await inHere(["verify", "--store", `sqlite:${join(dir, "a.db")}`, "-o", "json"])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/"sum": "8"/),
    });
    expect((await restore("b.db", "--until", "1")).stdout).toMatch(/position 1 of the change log/);
    const future = await restore("c.db", "--until", new Date(Date.now() + 3_600_000).toISOString());
    expect(future).toMatchObject({
      code: 65,
      stderr: expect.stringMatching(/^tally: The archive ends before \S+Z: .*--until 3 restores that/),
    });
    expect(await restore("d.db", "--until", "9")).toMatchObject({
      code: 65,
      stderr: expect.stringMatching(/has no position 9 yet\. .*--until 3 restores that/),
    });
    expect(existsSync(join(dir, "d.db"))).toBe(false);
  });

  it.each(["SIGTERM", "SIGKILL"] as const)(
    "%s in the middle of one leaves nothing that looks whole",
    async (signal) => {
      const dir = folders();
      await large(join(dir, "tally.db"));
      const server = withBackups(dir, "--backup-rate", "1MiB");
      await server.logged("server.ready");
      const copy = join(dir, "backups/tally.db-backup.part/copy.db");
      await expect.poll(() => existsSync(copy), { interval: 5 }).toBe(true);
      const began = Date.now();
      server.child.kill(signal);
      const { code, stderr } = await server.ended;
      expect([code, stderr]).toEqual([signal === "SIGTERM" ? 0 : null, ""]);
      expect(Date.now() - began).toBeLessThan(15_000);
      // Of one that was killed the process that made it ends by itself, and takes away what it had.
      await expect.poll(() => readdirSync(join(dir, "backups"))).toEqual([]);
      expect(await inHere(["verify", "--store", `sqlite:${join(dir, "tally.db")}`])).toMatchObject({
        code: 0,
      });
    },
  );

  it("gives one to who administrates, who restores it; to others not, and nothing is left of it here", async () => {
    const dir = folder();
    const rootKey = join(dir, "root");
    writeFileSync(rootKey, "r".repeat(40), { mode: 0o600 });
    const server = serve([
      ...["--store", `sqlite:${join(dir, "tally.db")}`, "--auth", "required"],
      ...["--root-key-file", rootKey],
    ]);
    const { address } = await server.logged("server.ready");
    const at = ["--server", `${address}`];
    const key = ["--api-key-file", rootKey];
    expect(await inHere(["inc", "visits", "5", ...at, ...key])).toMatchObject({ code: 0 });
    const file = join(dir, "taken.tar");
    const refused = await inHere(["backup", "--to", file, ...at]);
    expect(refused).toMatchObject({ code: 5, stdout: "" });
    const there = readdirSync(dir);
    const { code, stdout, stderr } = await inHere(["backup", "--to", file, "-o", "json", ...at, ...key]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(JSON.parse(stdout)).toMatchObject({ file, bytes: statSync(file).size });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(dir).sort()).toEqual([...there, "taken.tar"].sort());
    expect(await server.logged("backup.taken")).toMatchObject({
      by: "root",
      outcome: "OK",
      bytes: statSync(file).size,
    });
    expect(await inHere(["verify", file])).toMatchObject({ code: 0 });
    expect(await inHere(["verify", ...at])).toMatchObject({ code: 5, stdout: "" });
    const verified = await inHere(["verify", "-o", "json", ...at, ...key]);
    expect([verified.code, verified.stderr]).toEqual([0, ""]);
    expect(JSON.parse(verified.stdout)).toMatchObject({ counters: 1, sum: "5", findings: [], more: 0 });
    expect(await server.logged("store.verified")).toMatchObject({ by: "root", findings: 0, outcome: "OK" });
    const again = await inHere(["backup", "--to", file, ...at, ...key]);
    expect(again).toMatchObject({ code: 73, stdout: "" });
    const piped = await shell(`tally backup --to - ${[...at, ...key].join(" ")} | tar -tf -`);
    expect(piped).toMatchObject({
      code: 0,
      stdout: "manifest.json\nmanifest.json.sha256\ntally.db\ntally.db-history\n",
    });
    server.child.kill("SIGKILL");
    await server.ended;
  });

  it("one that its server is killed over leaves nothing with who takes it", async () => {
    const dir = folder();
    const rootKey = join(dir, "root");
    writeFileSync(rootKey, "r".repeat(40), { mode: 0o600 });
    await large(join(dir, "tally.db"));
    const server = serve([
      ...["--store", `sqlite:${join(dir, "tally.db")}`, "--auth", "required", "--root-key-file", rootKey],
      ...["--backup-rate", "1MiB"],
    ]);
    const { address } = await server.logged("server.ready");
    const file = join(dir, "taken.tar");
    const taking = inHere(["backup", "--to", file, "--server", `${address}`, "--api-key-file", rootKey]);
    const copy = join(dir, "tally.db-backup.part/copy.db");
    await expect.poll(() => existsSync(copy), { interval: 5 }).toBe(true);
    server.child.kill("SIGKILL");
    const { code, stdout, stderr } = await taking;
    expect({ code, stdout }).toEqual({ code: 69, stdout: "" });
    expect(stderr).toMatch(
      /^tally: No whole backup came from \S+ \(.+\); nothing is left of it\. Run it again\.\n$/,
    );
    const left = () => readdirSync(dir).filter((name) => /taken|part|download/.test(name));
    await expect.poll(left).toEqual([]);
  });

  it.each([
    [["--backup-every", "1h"], "give backup-dir, too"],
    [["--archive-dir", "/a"], "give backup-dir and backup-every, too"],
    [["--archive-dir", "/a", "--backup-dir", "/b"], "give backup-dir and backup-every, too"],
    [["--backup-dir", "/b", "--store", "memory:"], "keeps nothing to back up"],
    [["--backup-dir", "/b", "--store", "postgres://me:mistaken@h/db"], "pg_basebackup"],
    [["--backup-dir", "/b", "--backup-every", "1s"], "a duration from 1m to 366d"],
    [["--backup-dir", "/b", "--backup-keep", "0"], "a whole number from 1"],
  ])("%j is refused in one sentence", async (flags, sentence) => {
    const { code, stderr } = await tally(["serve", "--listen", "127.0.0.1:0", ...flags]).ended;
    expect([code, stderr]).toEqual([2, expect.stringContaining(sentence)]);
    expect(stderr).not.toContain("mistaken");
  });
});
