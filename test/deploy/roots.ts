/** Root folders of Debian's packages, for what is tried on a machine that has nothing else. Kept for the next run. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import type { Need } from "../support/needs.ts";

/** Where the gate keeps what it has fetched (.ci/run). */
const CACHE = process.env.TALLY_CI_CACHE ?? join(homedir(), ".cache/tally-ci");

/** To make them, and to run what is in them as others. */
export const ROOT_USER: Need = { name: "root", install: "run it as root", here: process.getuid?.() === 0 };

const RELEASE = /^VERSION_CODENAME=(.*)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "";

/** A tar file of a small Debian that could boot: with systemd, and nothing that runs JavaScript. */
export function debianWithSystemd(): string {
  return cached(`debian-${RELEASE}-systemd.tar`, (root) => {
    const made = ["--variant=minbase", "--include=systemd,ca-certificates", RELEASE, root];
    run("debootstrap", made);
    rmSync(join(root, "var/cache/apt"), { recursive: true });
    rmSync(join(root, "var/lib/apt/lists"), { recursive: true });
  });
}

/** The same of the libraries that Node.js needs and no program at all: what an image may stand on. */
export function librariesAlone(): string {
  return cached(`debian-${RELEASE}-libraries.tar`, (root) => {
    const fetched = mkdtempSync(join(tmpdir(), "tally-debs-"));
    run("apt-get", ["download", "-q", "libc6", "libgcc-s1", "libstdc++6"], fetched);
    for (const deb of readdirSync(fetched)) run("dpkg-deb", ["-x", join(fetched, deb), root]);
    rmSync(fetched, { recursive: true });
    for (const dir of ["proc", "dev", "tmp", "etc"]) mkdirSync(join(root, dir), { recursive: true });
  });
}

function cached(name: string, make: (root: string) => void): string {
  const path = join(CACHE, name);
  if (existsSync(path)) return path;
  const root = mkdtempSync(join(tmpdir(), "tally-root-"));
  chmodSync(root, 0o755); // It will be "/".
  make(root);
  mkdirSync(CACHE, { recursive: true });
  run("tar", ["--numeric-owner", "-cf", `${path}.part`, "-C", root, "."]);
  renameSync(`${path}.part`, path);
  rmSync(root, { recursive: true });
  return path;
}

function run(program: string, args: readonly string[], cwd?: string): void {
  execFileSync(program, args, { cwd, stdio: ["ignore", "ignore", "inherit"] });
}

/** Unpack one. @returns its folder, which is the caller's to remove */
export function unpacked(tar: string): string {
  const root = mkdtempSync(join(tmpdir(), "tally-root-"));
  run("tar", ["--numeric-owner", "-xf", tar, "-C", root]);
  return root;
}
