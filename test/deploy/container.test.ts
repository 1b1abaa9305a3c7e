/**
 * The image that `npm run container` builds, on a base of libraries alone: what is in it, and that it serves as README has it
 * run: with a root that nobody can write to, as nobody in particular, with one volume. What is run is the image's own command,
 * in its environment; a container runtime would do the same, and shut it in further.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ROOT, Tally, tally } from "../cli/process/tally.ts";
import { freePort } from "../support/free-port.ts";
import { describeWith, program } from "../support/needs.ts";
import { librariesAlone, ROOT_USER } from "./roots.ts";

const BUILDAH = program("buildah");
const MINUTES_MS = 300_000;
const OWNER = 65_532;

describeWith([ROOT_USER, BUILDAH], "the image", () => {
  const dir = mkdtempSync(join(tmpdir(), "tally-image-"));
  const storage = join(dir, "storage.conf");
  const env = { ...process.env, CONTAINERS_STORAGE_CONF: storage, BUILDAH_ISOLATION: "chroot" };
  const buildah = (...args: string[]) =>
    execFileSync("buildah", args, { env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
  let root: string;
  let image: ImageConfig;

  beforeAll(() => {
    const conf = `[storage]\ndriver = "vfs"\ngraphroot = "${dir}/graph"\nrunroot = "${dir}/run"\n`;
    writeFileSync(storage, conf);
    const base = join(dir, "base");
    mkdirSync(base);
    copyFileSync(librariesAlone(), join(base, "base.tar"));
    writeFileSync(join(base, "Containerfile"), "FROM scratch\nADD base.tar /\n");
    buildah("build", "--quiet", "--tag", "libraries", base);
    execFileSync(
      "npm",
      [
        "run",
        "--silent",
        "container",
        "--",
        "--builder",
        "buildah",
        "--base",
        "localhost/libraries",
        "--tag",
        "tally:gate",
      ],
      { cwd: ROOT, env, stdio: ["ignore", "ignore", "inherit"] },
    );
    image = JSON.parse(buildah("inspect", "--type", "image", "tally:gate")).Docker.config;
    const made = buildah("from", "--pull-never", "tally:gate");
    root = buildah("mount", made);
  }, MINUTES_MS);
  afterAll(() => {
    buildah("rm", "--all");
    rmSync(dir, { recursive: true, force: true });
  });

  /** Its command, or another, as a runtime would start it with --read-only, --user and --volume. */
  function run(command: readonly string[], { user = image.User, volume = dir, more = [] as string[] } = {}) {
    const script =
      'mount --bind "$1" "$1" && mount --bind "$2" "$1/var/lib/tally" && mount --bind /dev "$1/dev" && mount -t proc proc "$1/proc" && ' +
      'mount -o remount,ro,bind "$1" && root=$1 user=$3 && shift 3 && exec chroot --userspec="$user" "$root" "$@"';
    const mounted = ["unshare", "--mount", "sh", "-c", script, "sh", root, volume, user];
    const own = ["-i", `PATH=${process.env.PATH}`, ...image.Env, ...more];
    return ["env", [...own, ...mounted, ...image.Entrypoint, ...command]] as const;
  }

  /** How it is, by its own question. */
  function asked(user: string, volume: string, server: string) {
    const question = image.Healthcheck.Test.slice(1 + image.Entrypoint.length);
    const [command, args] = run(question, { user, volume, more: [`TALLY_SERVER=${server}`] });
    return spawnSync(command, args, { encoding: "utf8" });
  }

  function newVolume(owner: number): string {
    const path = mkdtempSync(join(dir, "volume-"));
    chownSync(path, owner, owner);
    return path;
  }

  it("is nobody in particular's, asks itself how it is, and has one volume", () => {
    expect(image).toMatchObject({
      User: `${OWNER}:${OWNER}`,
      Volumes: { "/var/lib/tally": {} },
      StopSignal: "SIGTERM",
      Cmd: ["serve"],
      Healthcheck: { Test: expect.arrayContaining(["CMD", "ping"]) },
    });
  });

  it("has Node.js, the package and nothing else; no shell, nothing of other machines, nothing to write to", () => {
    const files = execFileSync("find", [root, "-xdev", "-type", "f", "-printf", "%P\n"], {
      encoding: "utf8",
    }).split("\n");
    const added = files.filter((file) => /^(opt|var)\//.test(file));
    expect(added.filter((file) => !/^opt\/tally\/(node$|node_modules\/)/.test(file))).toEqual([]);
    expect(files.filter((file) => /(^|\/)(sh|bash|dash|busybox)$/.test(file))).toEqual([]);
    expect(files.filter((file) => /\.node$/.test(file)).map((file) => file.split("/").at(-1))).toEqual([
      `linux-${process.arch}.node`,
    ]);
    const writable = ["-user", `${OWNER}`, "-o", "-perm", "-0002", "!", "-type", "l", "!", "-perm", "-1000"];
    const found = execFileSync("find", [root, "-xdev", "(", ...writable, ")", "-printf", "%P\n"], {
      encoding: "utf8",
    });
    expect(found.trim().split("\n")).toEqual(["var/lib/tally"]);
  });

  it.for([`${OWNER}:${OWNER}`, "10001:10001"])(
    "serves, keeps its counts in the volume, and stops (as %s)",
    async (user) => {
      const volume = newVolume(Number(user.split(":")[0]));
      const port = await freePort();
      const server = `127.0.0.1:${port}`;
      const args = ["serve", "--listen", server];
      for (const value of ["1", "2"]) {
        const serving = new Tally(...run(args, { user, volume }));
        const { pid, store } = await serving.logged("server.ready");
        expect(store).toContain("/var/lib/tally/tally.db");
        expect(await tally(["inc", "a", "--server", server]).ended).toMatchObject({ stdout: `${value}\n` });
        const health = asked(user, volume, server);
        expect({ status: health.status, said: health.stderr }).toEqual({ status: 0, said: "" });
        process.kill(Number(pid), "SIGTERM");
        expect(await serving.ended).toMatchObject({ code: 0, stderr: "" });
      }
      expect(existsSync(join(volume, "tally.db"))).toBe(true);
      expect(asked(user, volume, server).status).not.toBe(0);
    },
  );

  it("says so when its volume is not its own", async () => {
    const { code, stderr } = await new Tally(...run(["serve"], { volume: newVolume(0) })).ended;
    expect({ code, stderr }).toMatchObject({
      code: 73,
      stderr: expect.stringMatching(/^tally: .*\/var\/lib\/tally/),
    });
  });

  it(
    "is the same for arm64 but for what runs on a processor, which is arm64's",
    () => {
      const layout = join(dir, "arm64.tar");
      execFileSync("npm", ["run", "--silent", "container", "--", "--arch", "arm64", "--layout", layout], {
        cwd: ROOT,
        stdio: ["ignore", "ignore", "inherit"],
      });
      const there = join(dir, "there");
      mkdirSync(there);
      execFileSync("tar", ["-xf", layout, "-C", there]);
      const { stdout } = spawnSync("diff", ["-rq", join(root, "opt"), join(there, "opt")], {
        encoding: "utf8",
      });
      const prebuilds = "opt/tally/node_modules/better-sqlite3/prebuilds";
      expect(new Set(stdout.trim().split("\n"))).toEqual(
        new Set([
          `Files ${root}/opt/tally/node and ${there}/opt/tally/node differ`,
          `Only in ${root}/${prebuilds}: linux-x64.node`,
          `Only in ${there}/${prebuilds}: linux-arm64.node`,
        ]),
      );
      const machine = (path: string) => readFileSync(path).readUInt16LE(18); // Of ELF: 62 is x86-64, 183 AArch64.
      expect(machine(join(root, "opt/tally/node"))).toBe(62);
      expect(machine(join(there, "opt/tally/node"))).toBe(183);
      expect(machine(join(there, prebuilds, "linux-arm64.node"))).toBe(183);
    },
    MINUTES_MS,
  );
});

/** What is kept of it for who runs it. */
interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Healthcheck: { readonly Test: readonly string[] };
}
