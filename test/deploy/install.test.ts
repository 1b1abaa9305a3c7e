/**
 * deploy/systemd/install.sh on a clean root: a small Debian, into which somebody has put a Node.js and npm. systemd does not
 * run there, so what it would start is started by hand: the unit's own command, as the unit's user.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ROOT, Tally } from "../cli/process/tally.ts";
import { freePort } from "../support/free-port.ts";
import { describeWith, program } from "../support/needs.ts";
import { debianWithSystemd, ROOT_USER, unpacked } from "./roots.ts";

const DEBOOTSTRAP = program("debootstrap");
const MINUTES_MS = 300_000;

describeWith([ROOT_USER, DEBOOTSTRAP], "install.sh on a clean root", () => {
  let root: string;
  let tarball: string;

  beforeAll(() => {
    const packed = mkdtempSync(join(tmpdir(), "tally-packed-"));
    execFileSync("npm", ["run", "--silent", "pack", "--", packed], {
      cwd: ROOT,
      stdio: ["ignore", "ignore", "inherit"],
    });
    root = unpacked(debianWithSystemd());
    mkdirSync(join(root, "in"));
    cpSync(join(ROOT, "deploy/systemd"), join(root, "in/systemd"), { recursive: true });
    tarball = `/in/${readdirSync(packed)[0]}`;
    copyFileSync(join(packed, readdirSync(packed)[0]!), join(root, tarball));
    rmSync(packed, { recursive: true });
    putNodeInto(root);
  }, MINUTES_MS);
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  const install = (...args: string[]) =>
    spawnSync(...inRoot(root, ["sh", "/in/systemd/install.sh", ...args]));
  const at = (path: string) => join(root, path);

  it(
    "refuses what it cannot do, in a sentence, and leaves nothing",
    () => {
      for (const [args, status, why] of [
        [[], 2, "Usage:"],
        [["--package"], 1, "--package needs a value"],
        [["--package", "/in/none.tgz"], 1, "there is no file /in/none.tgz"],
        [["--package", tarball, "--node", "/in/none"], 1, "--node /in/none is no program"],
        [["--package", tarball, "--uninstall"], 1, "exclude each other"],
        [["--packages", tarball], 2, "Usage:"],
        [["--package", "/in/systemd/install.sh"], 1, ""],
      ] as const) {
        const { status: ended, stderr } = install(...args);
        expect({ args, ended, stderr }).toMatchObject({
          ended: status,
          stderr: expect.stringContaining(why),
        });
      }
      const asOther = inRoot(root, ["sh", "/in/systemd/install.sh", "--package", tarball], "65534:65534");
      expect(spawnSync(...asOther).stderr).toContain("run it as root");
      expect(existsSync(at("opt/tally/current"))).toBe(false);
      expect(existsSync(at("etc/tally"))).toBe(false);
    },
    MINUTES_MS,
  );

  it(
    "makes user, folders, settings, command and unit, which systemd takes as it is",
    () => {
      const { status, stdout, stderr } = install("--package", tarball);
      expect({ status, stdout, stderr }).toMatchObject({
        status: 0,
        stdout: expect.stringContaining("systemctl enable --now tally"),
      });
      const owned = (path: string) => {
        const { uid, gid, mode } = statSync(at(path));
        return [uid === 0 ? "root" : "tally", gid === 0 ? "root" : "tally", (mode & 0o777).toString(8)];
      };
      expect(owned("etc/tally")).toEqual(["root", "tally", "750"]);
      expect(owned("etc/tally/keys")).toEqual(["root", "root", "700"]);
      expect(owned("etc/tally/tally.toml")).toEqual(["root", "tally", "640"]);
      expect(owned("var/lib/tally")).toEqual(["tally", "tally", "700"]);
      expect(owned("opt/tally/current/node_modules/tally/bin/tally.mjs").slice(0, 2)).toEqual([
        "root",
        "root",
      ]);
      const verified = spawnSync(...inRoot(root, ["systemd-analyze", "verify", "tally.service"]));
      expect({ status: verified.status, said: verified.stderr }).toEqual({ status: 0, said: "" });
      expect(spawnSync(...inRoot(root, ["tally", "--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    },
    MINUTES_MS,
  );

  it(
    "serves by the unit's command as its user, keeps what it counts, and writes nowhere else",
    async () => {
      const port = await freePort();
      const settings = at("etc/tally/tally.toml");
      writeFileSync(settings, readFileSync(settings, "utf8").replace("127.0.0.1:8080", `127.0.0.1:${port}`));
      const before = tree(at("opt/tally"));
      for (const value of ["1", "2"]) {
        const server = new Tally(...unitCommand(root));
        await server.logged("server.ready");
        const { stdout } = spawnSync(...inRoot(root, ["tally", "inc", "a", "--server", `127.0.0.1:${port}`]));
        expect(stdout).toBe(`${value}\n`);
        const { pid } = await server.logged("server.ready");
        process.kill(Number(pid), "SIGTERM");
        expect(await server.ended).toMatchObject({ code: 0, stderr: "" });
      }
      expect(existsSync(at("var/lib/tally/tally.db"))).toBe(true);
      expect(tree(at("opt/tally"))).toEqual(before);
    },
    MINUTES_MS,
  );

  it("said again changes nothing, settings that were edited included", { timeout: MINUTES_MS }, () => {
    const before = tree(at("opt/tally")) + tree(at("etc")) + tree(at("usr/local"));
    const { status, stderr } = install("--package", tarball);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(tree(at("opt/tally")) + tree(at("etc")) + tree(at("usr/local"))).toBe(before);
  });

  it(
    "brings another package beside the one before, and keeps no third",
    () => {
      const releases = () => readdirSync(at("opt/tally/releases"));
      const [first] = releases();
      for (const n of [2, 3]) {
        // The same, packed again: another file, which is another release.
        const again = `/in/again-${n}.tgz`;
        execFileSync("sh", ["-c", `gzip -dc '${at(tarball)}' | gzip -${n} >'${at(again)}'`]);
        expect(install("--package", again)).toMatchObject({ status: 0 });
        expect(releases()).toHaveLength(2);
      }
      expect(releases()).not.toContain(first);
    },
    MINUTES_MS,
  );

  it(
    "goes on after one that was killed in the middle, and refuses to run beside another",
    () => {
      mkdirSync(at("opt/tally/.part/release/node_modules"), { recursive: true });
      const locked = `exec 8>/opt/tally/.lock; flock 8; sh /in/systemd/install.sh --package /in/again-3.tgz`;
      expect(spawnSync(...inRoot(root, ["sh", "-c", locked])).stderr).toContain("another one is at it");
      expect(install("--package", "/in/again-3.tgz")).toMatchObject({ status: 0 });
      expect(existsSync(at("opt/tally/.part"))).toBe(false);
    },
    MINUTES_MS,
  );

  it("is uninstalled, but for the store, the settings and the user; and again", {
    timeout: MINUTES_MS,
  }, () => {
    for (let n = 0; n < 2; n++) {
      const { status, stdout } = install("--uninstall");
      expect({ status, stdout }).toMatchObject({
        status: 0,
        stdout: expect.stringContaining("rm -r /var/lib/tally"),
      });
      expect(
        ["opt/tally", "usr/local/bin/tally", "etc/systemd/system/tally.service"].map((path) =>
          existsSync(at(path)),
        ),
      ).toEqual([false, false, false]);
    }
    expect(existsSync(at("var/lib/tally/tally.db"))).toBe(true);
    expect(existsSync(at("etc/tally/tally.toml"))).toBe(true);
  });
});

/** A machine on which one can install has npm, and a Node.js for it: those of this one. */
function putNodeInto(root: string): void {
  const npm = join(execFileSync("npm", ["root", "--global"], { encoding: "utf8" }).trim(), "npm");
  copyFileSync(process.execPath, join(root, "usr/local/bin/node"));
  cpSync(npm, join(root, "usr/local/lib/npm"), { recursive: true, dereference: true });
  const command = '#!/bin/sh\nexec node /usr/local/lib/npm/bin/npm-cli.js "$@"\n';
  writeFileSync(join(root, "usr/local/bin/npm"), command, { mode: 0o755 });
  const config = execFileSync("npm", ["config", "get", "registry"], { encoding: "utf8" }).trim();
  const authorities = process.env.NODE_EXTRA_CA_CERTS ?? "/etc/ssl/certs/ca-certificates.crt";
  copyFileSync(authorities, join(root, "etc/ssl/certs/ca-certificates.crt"));
  writeFileSync(
    join(root, "root/.npmrc"),
    `registry=${config}\ncafile=/etc/ssl/certs/ca-certificates.crt\nupdate-notifier=false\n`,
  );
  copyFileSync("/etc/resolv.conf", join(root, "etc/resolv.conf"));
}

/** A program in the root, with devices and processes as it would have them. */
function inRoot(root: string, command: readonly string[], user = "0:0", more: readonly string[] = []) {
  const script =
    'mount --bind /dev "$1/dev" && mount -t proc proc "$1/proc" && ' +
    'root=$1 user=$2 && shift 2 && exec chroot --userspec="$user" "$root" "$@"';
  const own = [
    "-i",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    ...more,
  ];
  const args = [...own, "unshare", "--mount", "sh", "-c", script, "sh", root, user, ...command];
  return ["env", args, { encoding: "utf8" }] as const;
}

/** What the unit starts, and as whom. */
function unitCommand(root: string): [string, readonly string[]] {
  const unit = readFileSync(join(root, "etc/systemd/system/tally.service"), "utf8");
  const command = /^ExecStart=(.*)$/m.exec(unit)![1]!.split(" ");
  const set = [...unit.matchAll(/^Environment=(.*)$/gm)].map(([, assignment]) => assignment!);
  const [program, args] = inRoot(root, command, "tally:tally", set);
  return [program, args];
}

/** Every file below a folder, how large it is and when it was written; but for code that root's own commands have compiled. */
function tree(path: string): string {
  const left = ["-path", "*/.cache/*", "-o", "-name", ".lock"];
  const args = [
    path,
    "(",
    "-type",
    "f",
    "-o",
    "-type",
    "l",
    ")",
    "!",
    "(",
    ...left,
    ")",
    "-printf",
    "%p %s %T@ %l\n",
  ];
  return execFileSync("find", args, { encoding: "utf8", maxBuffer: 2 ** 26 })
    .split("\n")
    .sort()
    .join("\n");
}
