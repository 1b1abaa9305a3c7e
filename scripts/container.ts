/**
 * `npm run container -- [--arch x64|arm64] [--base IMAGE] [--tag NAME] [--builder docker|podman|buildah] [--layout FILE]`
 *
 * What an image of Tally is made of, as one tar file: the package with what it depends on, and Node.js of the architecture. It
 * needs nothing to run while it is built, so that one machine makes it for either. With `--layout FILE` only that; otherwise
 * the image is built, by whichever builder is there.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  copyFileSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const ROOT = resolve(import.meta.dirname, "..");
const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const { version, optionalDependencies, devDependencies, peerDependencies } = manifest;
/** Of whom the process is, and its folder; no other in images that are made like this one. */
const USER = "65532";
const PLATFORMS: Readonly<Record<string, string>> = { x64: "linux/amd64", arm64: "linux/arm64" };

const { values } = parseArgs({
  options: {
    arch: { type: "string", default: process.arch },
    base: { type: "string" },
    tag: { type: "string", default: `tally:${version}` },
    builder: { type: "string" },
    layout: { type: "string" },
  },
});
const { arch } = values;
const platform = PLATFORMS[arch];
if (platform === undefined) fail(`--arch ${arch}: expected one of ${Object.keys(PLATFORMS).join(", ")}`);

const staged = mkdtempSync(join(tmpdir(), "tally-container-"));
try {
  const tar = join(staged, "layout.tar");
  lay(join(staged, "root"), tar);
  if (values.layout !== undefined) copyFileSync(tar, resolve(process.env.INIT_CWD ?? ".", values.layout));
  else build();
} finally {
  rmSync(staged, { recursive: true, force: true });
}

/** Put it together below a folder, and that into a tar file: the same for the same sources. */
function lay(root: string, tar: string): void {
  const opt = join(root, "opt/tally");
  mkdirSync(join(root, "var/lib/tally"), { recursive: true, mode: 0o755 });
  mkdirSync(opt, { recursive: true });
  npm(["run", "--silent", "pack", "--", staged], ROOT);
  const packed = readdirSync(staged).find((name) => /^tally-.*\.tgz$/.test(name))!;
  npm([
    "install",
    "--prefix",
    opt,
    "--ignore-scripts",
    "--omit=dev",
    "--no-package-lock",
    join(staged, packed),
    ...tracingPackages(),
  ]);
  rmSync(join(opt, "package.json"));
  rmSync(join(opt, "node_modules/.package-lock.json"));
  rmSync(join(opt, "node_modules/.bin"), { recursive: true, force: true });
  leaveOutOthersBindings(join(opt, "node_modules/better-sqlite3"));
  leaveOutOtherBuilds(join(opt, "node_modules/@opentelemetry"));
  putNode(join(opt, "node"));
  const same = ["--sort=name", "--mtime=@0", "--numeric-owner", "-C", root];
  run("tar", [...same, "--mode=a+rX,go-w", "--owner=0", "--group=0", "-cf", tar, "opt"]);
  const own = [`--owner=${USER}`, `--group=${USER}`, "--mode=0700", "--no-recursion"];
  run("tar", [...same, ...own, "-rf", tar, "var/lib/tally"]);
}

/** What people install beside Tally to have calls traced, which nobody can in an image: as the checkout has it. */
function tracingPackages(): string[] {
  const ofTracing = Object.keys(peerDependencies).filter((name) => name.startsWith("@opentelemetry/"));
  return ofTracing.map((name) => `${name}@${devDependencies[name]}`);
}

/** What they are for bundlers and compilers: two thirds of their size. */
function leaveOutOtherBuilds(packages: string): void {
  for (const path of globSync("**/{build/esm,build/esnext,*.map,*.d.ts,*.d.mts,*.d.cts}", { cwd: packages }))
    rmSync(join(packages, path), { recursive: true, force: true });
}

/** Its sources, and what it is for other machines: two thirds of all modules. */
function leaveOutOthersBindings(sqlite: string): void {
  for (const name of ["deps", "src", "binding.gyp"])
    rmSync(join(sqlite, name), { recursive: true, force: true });
  const prebuilds = join(sqlite, "prebuilds");
  for (const name of readdirSync(prebuilds)) if (name !== `linux-${arch}.node`) rmSync(join(prebuilds, name));
}

/** Of nodejs.org's binaries as npm has them, which npm does not install for a processor that is not this machine's. */
function putNode(path: string): void {
  const name = `node-linux-${arch}`;
  npm(["pack", "--silent", "--pack-destination", staged, `${name}@${optionalDependencies[name]}`]);
  const packed = readdirSync(staged).find((file) => file.startsWith(`${name}-`))!;
  run("tar", ["-xzf", join(staged, packed), "-C", staged, "package/bin/node"]);
  renameSync(join(staged, "package/bin/node"), path);
}

function build(): void {
  const builder = values.builder ?? ["docker", "podman", "buildah"].find(isThere);
  if (builder === undefined)
    fail("neither docker, podman nor buildah is here; --layout FILE makes what they would take");
  copyFileSync(join(ROOT, "deploy/container/Containerfile"), join(staged, "Containerfile"));
  const base = values.base === undefined ? [] : ["--build-arg", `BASE=${values.base}`];
  const format = builder === "docker" ? [] : ["--format", "docker"]; // OCI's has no HEALTHCHECK.
  const rest = ["--platform", platform!, "--tag", values.tag, "-f", join(staged, "Containerfile")];
  rmSync(join(staged, "root"), { recursive: true });
  run(builder, ["build", ...format, ...base, ...rest, staged]);
}

function isThere(program: string): boolean {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0;
}

function npm(args: readonly string[], cwd = staged): void {
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
  run("npm", [...args.slice(0, 1), ...quiet, ...args.slice(1)], cwd);
}

function run(program: string, args: readonly string[], cwd = staged): void {
  const env = { ...process.env };
  delete env.INIT_CWD; // So that a relative path is one of `cwd`.
  execFileSync(program, args, { cwd, env, stdio: ["ignore", process.stderr, "inherit"] });
}

function fail(why: string): never {
  console.error(`container: ${why}`);
  process.exit(2);
}
