/** verify, backup and restore: what is printed where, the exit codes, and beside a server. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { v7 } from "uuid";
import { describe, expect, it, onTestFinished } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { TallyError } from "../../src/core/errors.ts";
import { DEFAULT_RETENTION } from "../../src/service/store.ts";
import type { Verification, Verifying } from "../../src/service/store-findings.ts";
import { Verifications } from "../../src/service/verifications.ts";
import { openStore } from "../../src/stores/open.ts";
import { ServerProcess } from "../proofs/crash/server-process.ts";
import { TALLY } from "../support/bundles/command.ts";
import { batch, commit, increment } from "../support/calls.ts";
import { HandClock } from "../support/clock.ts";
import { freePort } from "../support/free-port.ts";
import { open } from "../transports/door.ts";
import { cleanEnv, folder, shell, tally } from "./cli.ts";
import { serving } from "./serving.ts";

describe("verify", () => {
  it("looks at a file beside its server, and once that has ended; the server serves on", async () => {
    const store = `sqlite:${join(folder(), "tally.db")}`;
    await serving(store, async (server) => {
      for (const command of [
        ["inc", "visits", "5"],
        ["create", "seats", "--max", "3"],
      ])
        await tally([...command, "--server", server]);
      const { stdout, ...ran } = await tally(["verify", "--store", store, "-o", "json"]);
      expect(ran, stdout).toMatchObject({ code: EXIT.OK, stderr: "" });
      expect(JSON.parse(stdout)).toMatchObject({
        served: true,
        counters: 2,
        sum: "5",
        commits: 2,
        findings: [],
        more: 0,
      });
      expect(await tally(["inc", "visits", "--server", server])).toMatchObject({ stdout: "6\n" });
    });
    const after = await tally(["verify", "--store", store]);
    expect(after).toMatchObject({ code: EXIT.OK, stderr: "" });
    expect(after.stdout).toMatch(/^counters +2$/m);
    expect(after.stdout).toMatch(/^history +[1-9]\d* rows?$/m);
    expect(after.stdout).toMatch(/^found +nothing: all of it is as it was written$/m);
  });

  it("tells each finding with the command that mends it, and exits 65", async () => {
    const path = join(folder(), "tally.db");
    const store = `sqlite:${path}`;
    await serving(store, async (server) => void (await tally(["inc", "visits", "5", "--server", server])));
    const db = new Database(path);
    db.exec("UPDATE counts SET value = 70; UPDATE recent_counts SET value = 70");
    db.close();
    const json = await tally(["verify", "--store", store, "-o", "json"]);
    expect(json.code).toBe(EXIT.STORE_UNUSABLE);
    expect(json.stderr).toMatch(/^tally: 2 findings: SQLite .*tally\.db is not as it was written\.\n$/);
    const mend = `if its row is right: tally accept --store ${store} visits`;
    expect(JSON.parse(json.stdout).findings).toEqual([
      { code: "ROW_DAMAGED", name: "visits", about: expect.stringContaining("checksum"), mend },
      {
        code: "VALUE_UNACCOUNTED",
        name: "visits",
        about: "it has the value 70 at revision 1, and its changes lead to 5 at revision 1",
        mend,
      },
    ]);
    const accepted = await tally(["accept", "visits", "--store", store]);
    expect(accepted).toMatchObject({ code: EXIT.OK });
    expect(await tally(["verify", "--store", store])).toMatchObject({ code: EXIT.OK });
  });

  it.each([
    ["sqlite:none.db", EXIT.STORE_UNREACHABLE, "There is no file"],
    ["postgres://me:mistaken@h/db", EXIT.USAGE, "pg_amcheck"],
    ["memory:", EXIT.USAGE, "keeps nothing"],
    ["redis:x", EXIT.USAGE, "No store is known"],
  ])("of %s it says in one sentence why not", async (store, code, sentence) => {
    const dir = folder();
    const { stderr, ...ran } = await tally([
      "verify",
      "--store",
      store.replace("none.db", join(dir, "none.db")),
    ]);
    expect(ran, stderr).toMatchObject({ code, stdout: "" });
    expect(stderr).toContain(sentence);
    expect(stderr).not.toContain("mistaken");
    expect(existsSync(join(dir, "none.db-lock"))).toBe(false);
  });
});

describe("verify --server", () => {
  const FOUND: Verification = {
    ...{ store: "SQLite /t.db", served: true, counters: 3, sum: 2n ** 64n, commits: 4, requestIds: 5 },
    ...{ historyRows: undefined, more: 1 },
    findings: [
      { code: "ROW_DAMAGED", name: "visits", about: "it fails its checksum", mend: "accept" },
      { code: "ROW_GONE", name: "row id 7", about: "something leads to it", mend: "accept gone" },
      { code: "HISTORY_FOREIGN", name: "history", about: "it is another's", mend: "start" },
    ],
  };
  const asking = async (verify: Verifying["verify"], ...more: string[]) => {
    await using opened = await open({ authenticates: true, verifications: new Verifications({ verify }) });
    return await tally(["verify", "--server", `127.0.0.1:${opened.door.port}`, ...more]);
  };

  it("prints what the server found, with what mends it, and exits 65", async () => {
    const { code, stdout, stderr } = await asking(async () => FOUND);
    expect(code).toBe(EXIT.STORE_UNUSABLE);
    expect(stderr).toBe("tally: 4 findings: SQLite /t.db is not as it was written.\n");
    expect(stdout).toMatch(/^sum +18446744073709551616$/m);
    expect(stdout).toMatch(/^history +none$/m);
    expect(stdout).toMatch(/^1 +ROW_DAMAGED visits: .*tally accept --store URL visits$/m);
    expect(stdout).toMatch(/^2 +ROW_GONE row id 7: .*tally accept --store URL --gone$/m);
    expect(stdout).toMatch(/^3 +HISTORY_FOREIGN history: .*the next start of the server sets it right$/m);
    expect(stdout).toMatch(/^… +and 1 more$/m);
    expect(stdout).toMatch(/^done +in [\d.]+ s, beside its server$/m);
  });

  it("exits 0 where nothing was, in JSON with the sum as text", async () => {
    const { code, stdout, stderr } = await asking(
      async () => ({ ...FOUND, findings: [], more: 0 }),
      "-o",
      "json",
    );
    expect([code, stderr]).toEqual([EXIT.OK, ""]);
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ store: "SQLite /t.db", served: true, counters: 3, sum: `${2n ** 64n}`, historyRows: null },
      ...{ findings: [], more: 0 },
    });
  });

  it("says why the server could not, and takes a call that breaks for no result", async () => {
    const failed = await asking(() =>
      Promise.reject(new TallyError("STORE_UNAVAILABLE", "/t.db-wal has grown to 2 GiB.")),
    );
    expect(failed).toMatchObject({
      code: EXIT.REFUSED,
      stdout: "",
      stderr:
        "tally: Not all of the store was looked at: /t.db-wal has grown to 2 GiB. Nothing was changed.\n",
    });
    const silent = await asking(
      ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(new TallyError("CALL_CANCELLED", "stopped")));
        }),
      "--timeout",
      "100ms",
    );
    expect(silent).toMatchObject({ code: EXIT.DEADLINE, stdout: "" });
    expect(silent.stderr).toMatch(/^tally: Not everything was looked at by \S+ \(.+\)\. Run it again\.\n$/);
  });

  it("speaks of no change where the server is stopped meanwhile", async () => {
    const looking = Promise.withResolvers<void>();
    const verify: Verifying["verify"] = ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(new TallyError("CALL_CANCELLED", "stopped")));
        looking.resolve();
      });
    await using opened = await open({ authenticates: true, verifications: new Verifications({ verify }) });
    const ran = tally(["verify", "--server", `127.0.0.1:${opened.door.port}`]);
    await looking.promise;
    await opened.door.drain(60_000);
    expect(await ran).toMatchObject({
      code: EXIT.UNAVAILABLE,
      stdout: "",
      stderr: expect.stringMatching(
        /^tally: Not everything was looked at by \S+ \(it is shutting down\)\. Run it again\.\n$/,
      ),
    });
  });
});

describe("backup and restore", () => {
  it("of a store that is served: restored, it has what was answered before; a retry from before counts once", async () => {
    const dir = folder();
    const store = `sqlite:${join(dir, "tally.db")}`;
    const restored = `sqlite:${join(dir, "restored.db")}`;
    const file = join(dir, "b.tar");
    await serving(store, async (server) => {
      await tally(["inc", "visits", "5", "--request-id", "kept", "--server", server]);
      const { code, stdout, stderr } = await tally(["backup", "--store", store, "--to", file, "-o", "json"]);
      expect({ code, stderr }).toEqual({ code: EXIT.OK, stderr: "" });
      expect(JSON.parse(stdout)).toMatchObject({
        served: true,
        file,
        manifest: { counters: 1, position: "1", findings: 0 },
      });
      await tally(["inc", "visits", "2", "--request-id", "later", "--server", server]);
      const piped = await shell(`tally backup --store ${store} --to - | tar -tf -`);
      expect(piped).toMatchObject({
        code: EXIT.OK,
        stdout: "manifest.json\nmanifest.json.sha256\ntally.db\ntally.db-history\n",
      });
      const through = `sqlite:${join(dir, "through.db")}`;
      const line = `tally backup --store ${store} --to - -q | tally restore - --store ${through} -q`;
      expect(await shell(`set -o pipefail; ${line}`)).toMatchObject({ code: EXIT.OK, stderr: "" });
      expect(await tally(["verify", "--store", through])).toMatchObject({ code: EXIT.OK });
      expect(await shell(`tally verify - < ${file}`)).toMatchObject({
        code: EXIT.OK,
        stdout: expect.stringMatching(/^store +the backup standard input$/m),
      });
      const full = await shell(`tally backup --store ${store} --to - --scratch ${dir} > /dev/full`);
      expect(full).toMatchObject({
        code: EXIT.STORE_FAILED,
        stderr: "tally: The output cannot be written: ENOSPC: no space left on device, write.\n",
      });
      expect(readdirSync(dir).filter((name) => name.startsWith("tally-scratch"))).toEqual([]);
      expect(piped.stderr).toMatch(/^Backed up SQLite \S+tally\.db as of \S+Z, [\d.]+ MiB\.\n$/);
    });
    expect(await tally(["verify", file])).toMatchObject({ code: EXIT.OK, stderr: "" });
    const { code, stdout, stderr } = await tally(["restore", file, "--store", restored]);
    expect([code, stderr]).toEqual([
      EXIT.OK,
      expect.stringMatching(/^What was changed after \S+Z is not in it, .*\n$/),
    ]);
    expect(stdout).toMatch(/^counters +1$/m);
    await serving(restored, async (server) => {
      const inc = async (amount: string, id: string) =>
        (await tally(["inc", "visits", amount, "--request-id", id, "--server", server])).stdout;
      expect(await tally(["get", "visits", "--server", server])).toMatchObject({ stdout: "5\n" });
      expect([await inc("5", "kept"), await inc("2", "later")]).toEqual(["5\n", "7\n"]);
      const there = await tally(["restore", file, "--store", restored]);
      expect(there).toMatchObject({ code: EXIT.STORE_UNREACHABLE, stdout: "" });
      expect(there.stderr).toContain("restored.db is there already");
    });
  });

  it("etags that callers hold from before a restore fit no more; nor those from before `epoch new`", async () => {
    const dir = folder();
    const [store, restored] = ["a.db", "b.db"].map((name) => `sqlite:${join(dir, name)}`) as [string, string];
    const etagAt = async (server: string) =>
      JSON.parse((await tally(["get", "seats", "-o", "json", "--server", server])).stdout).etag as string;
    const set = (server: string, etag: string) =>
      tally(["set", "seats", "7", "--etag", etag, "-o", "value", "--server", server]);
    let before = "";
    await serving(store, async (server) => {
      await tally(["inc", "seats", "5", "--server", server]);
      before = await etagAt(server);
    });
    const file = join(dir, "b.tar");
    await tally(["backup", "--store", store, "--to", file]);
    const { stdout } = await tally(["restore", file, "--store", restored, "-o", "json"]);
    const { epoch, keys } = JSON.parse(stdout) as { epoch: string; keys: unknown };
    expect([epoch, keys]).toEqual([expect.stringMatching(/^[0-9a-f]{8}$/), { good: 0, revoked: 0 }]);
    await serving(restored, async (server) => {
      expect(await set(server, before)).toMatchObject({ code: EXIT.REFUSED, stdout: "" });
      expect(await etagAt(server)).toBe(`${before}.${epoch}`);
      const taken = await tally(["epoch", "new", "--store", restored]);
      expect(taken).toMatchObject({ code: EXIT.STORE_IN_USE, stdout: "" });
    });
    const renewed = await tally(["epoch", "new", "--store", restored, "-o", "json"]);
    expect(JSON.parse(renewed.stdout)).toMatchObject({ before: epoch });
    await serving(restored, async (server) => {
      const now = `${before}.${JSON.parse(renewed.stdout).epoch}`;
      expect(await set(server, `${before}.${epoch}`)).toMatchObject({ code: EXIT.REFUSED });
      expect(await set(server, now)).toMatchObject({ code: EXIT.OK, stdout: "7\n" });
      const history = await tally(["history", "seats", "--server", server]);
      expect(history).toMatchObject({ code: EXIT.OK });
    });
    expect(readdirSync(dir).filter((name) => name.includes("aside"))).toEqual([]);
  });

  it("--revoke-keys leaves no API key of the backup good, and says how many there were", async () => {
    const dir = folder();
    const [from, kept, revoked] = ["a", "b", "c"].map((name) => `sqlite:${join(dir, name)}`) as [
      ...[string, string, string],
    ];
    await tally(["auth", "init", "--store", from]);
    await tally(["auth", "init", "--store", from, "--again"]);
    const file = join(dir, "b.tar");
    await tally(["backup", "--store", from, "--to", file]);
    const plain = await tally(["restore", file, "--store", kept]);
    expect(plain.stderr).toContain(
      "2 API keys in it are good, also if revoked since: revoke those once more.",
    );
    const without = await tally(["restore", file, "--store", revoked, "--revoke-keys"]);
    expect(without.stderr).toContain("2 API keys in it are revoked.");
    const again = async (store: string) =>
      (await tally(["auth", "init", "--store", store, "--again"])).stderr;
    expect(await again(kept)).toContain("There are 2 other keys of it still good");
    expect(await again(revoked)).not.toContain("still good");
  });

  it("ends by itself when its server was killed, which can start again then", async () => {
    const dir = folder();
    const path = join(dir, "tally.db");
    const opened = await openStore(`sqlite:${path}`, {
      ...{ clock: new HandClock(), newUid: () => v7(), cachedCountersMax: 1_000, warn: () => {} },
      retention: DEFAULT_RETENTION,
    });
    for (let i = 0; i < 40; i++)
      await commit(
        opened,
        batch(Array.from({ length: 1_000 }, (_, k) => increment(`${"n".repeat(200)}${i}.${k}`))),
      );
    await opened.close();
    const file = join(dir, "b.tar");
    const server = new ServerProcess({ port: await freePort(), store: `sqlite:${path}` });
    onTestFinished(() => void server.kill());
    await server.ready();
    const ran = tally(["backup", "--store", `sqlite:${path}`, "--to", file, "--rate", "1MiB"]);
    const copy = join(`${file}.part`, "copy.db"); // Of which nothing is written before 16 MB of it are known.
    await expect.poll(() => existsSync(copy), { interval: 5 }).toBe(true);
    await server.kill();
    const { code, stdout, stderr } = await ran;
    expect({ code, stdout }).toEqual({ code: EXIT.STORE_FAILED, stdout: "" });
    expect(stderr).toMatch(
      /^tally: Nothing came of it: the server of \S+tally\.db has ended meanwhile, and may start again; do it once more\.\n$/,
    );
    expect(existsSync(file) || existsSync(`${file}.part`)).toBe(false);
    await serving(`sqlite:${path}`, async (again) => {
      expect(await tally(["ping", "--server", again])).toMatchObject({ code: EXIT.OK });
    });
  });

  it("leaves nothing when whoever reads it goes away", async () => {
    const dir = folder();
    const store = `sqlite:${join(dir, "tally.db")}`;
    await serving(store, async (server) => void (await tally(["inc", "visits", "--server", server])));
    const scratch = join(dir, "scratch");
    const line = `mkdir ${scratch}; tally backup --store ${store} --to - --scratch ${scratch} | head -c 1000 | wc -c; ls -A ${scratch}`;
    expect(await shell(line)).toMatchObject({ code: EXIT.OK, stdout: "1000\n" });
  });

  it("what comes in by standard input and is cut off makes nothing, and Ctrl-C ends it", async () => {
    const dir = folder();
    const store = `sqlite:${join(dir, "tally.db")}`;
    expect(await tally(["restore", "-", "--store", store], { input: "no backup" })).toMatchObject({
      code: EXIT.STORE_UNUSABLE,
      stderr: "tally: standard input is no backup of Tally's, or its beginning is damaged.\n",
    });
    const child = spawn(process.execPath, [TALLY, "restore", "-", "--store", store], { env: cleanEnv() });
    onTestFinished(() => void child.kill("SIGKILL"));
    const listens = () =>
      readFileSync(`/proc/${child.pid}/status`, "utf8").match(/^SigCgt:\s+\S*2$/m) !== null;
    await expect.poll(listens).toBe(true); // It catches SIGINT by then.
    child.kill("SIGINT");
    expect(await once(child, "exit")).toEqual([null, "SIGINT"]);
    expect(readdirSync(dir)).toEqual([]);
  });

  it("names a lock with something else in it, and not the store that is not there", async () => {
    const dir = folder();
    const [from, to] = [join(dir, "a.db"), join(dir, "b.db")];
    await tally(["auth", "init", "--store", `sqlite:${from}`]);
    await tally(["backup", "--store", `sqlite:${from}`, "--to", join(dir, "b.tar")]);
    writeFileSync(`${to}-lock`, "junk".repeat(1_000));
    const restored = await tally(["restore", join(dir, "b.tar"), "--store", `sqlite:${to}`]);
    expect(restored).toMatchObject({ code: EXIT.STORE_UNUSABLE, stdout: "" });
    expect(restored.stderr).toBe(
      `tally: ${to}-lock is no lock of Tally's: there is something else in it. See that no Tally has ${to}, and remove it.\n`,
    );
    expect(readFileSync(`${to}-lock`, "utf8")).toBe("junk".repeat(1_000));
  });

  it.each([
    [["backup", "--store", "postgres://me:mistaken@h/db", "--to", "FILE"], EXIT.USAGE, "pg_basebackup"],
    [["backup", "--store", "memory:", "--to", "FILE"], EXIT.USAGE, "keeps nothing"],
    [["backup", "--store", "sqlite:DIR/none.db", "--to", "FILE"], EXIT.STORE_UNREACHABLE, "There is no file"],
    [["backup", "--store", "sqlite:DIR/none.db", "--to", "FILE", "--rate", "10"], EXIT.USAGE, "1MiB and up"],
    [
      ["backup", "--store", "sqlite:DIR/none.db", "--to", "DIR/none/b.tar"],
      EXIT.STORE_UNREACHABLE,
      "Nothing can be written in",
    ],
    [["restore", "FILE", "--store", "postgres://me:mistaken@h/db"], EXIT.USAGE, "pg_basebackup"],
    [["restore", "FILE", "--store", "sqlite:DIR/none.db"], EXIT.STORE_UNREACHABLE, "cannot be read (ENOENT)"],
    [
      ["restore", "FILE", "--store", "sqlite:DIR/none.db", "--until", "7"],
      EXIT.USAGE,
      "--until goes with --archive",
    ],
    [
      ["restore", "FILE", "--store", "sqlite:DIR/none.db", "--archive", "DIR", "--until", "2026-01-05T06:00"],
      EXIT.USAGE,
      "a time with its offset",
    ],
    [
      [
        "restore",
        "FILE",
        "--store",
        "sqlite:DIR/none.db",
        "--archive",
        "DIR",
        "--until",
        "2026-11-31T00:00:00Z",
      ],
      EXIT.USAGE,
      "a time with its offset",
    ],
    [
      ["restore", "DIR", "--store", "sqlite:DIR/none.db", "--archive", "DIR", "--until", "7"],
      EXIT.STORE_UNUSABLE,
      "There is no backup in",
    ],
    [["verify", "FILE"], EXIT.STORE_UNREACHABLE, "cannot be read (ENOENT)"],
    [["verify", "--server", "127.0.0.1:1"], EXIT.UNAVAILABLE, "No Tally server answers at"],
    [["verify", "FILE", "--store", "sqlite:DIR/none.db"], EXIT.USAGE, "Name one of these"],
    [["verify", "FILE", "--server", "127.0.0.1:1"], EXIT.USAGE, "Name one of these"],
    [["verify", "--scratch", "DIR"], EXIT.USAGE, "--scratch is where a backup is unpacked"],
  ])("%j is refused in one sentence, and leaves nothing", async (command, code, sentence) => {
    const dir = folder();
    const words = command.map((word) => word.replace("FILE", join(dir, "b.tar")).replace("DIR", dir));
    const { stderr, ...ran } = await tally(words);
    expect(ran, stderr).toMatchObject({ code, stdout: "" });
    expect(stderr).toContain(sentence);
    expect(stderr).not.toContain("mistaken");
    expect(readdirSync(dir)).toEqual([]);
  });
});
