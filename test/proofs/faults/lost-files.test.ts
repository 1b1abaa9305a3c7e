/** Servers whose files are taken from them, or are had by others, as processes. test/stores/sqlite-files.test.ts has the rest. */
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { EXIT } from "../../../src/cli/exit.ts";
import { folder, serve, type Tally, tally } from "../../cli/process/tally.ts";
import { describeWith, type Need } from "../../support/needs.ts";
import { Caller } from "./calls.ts";

vi.setConfig({ testTimeout: 180_000 }); // Several starts each, on machines that may be busy.

/** A server on a file, on which something was counted. */
async function counting(path: string) {
  const server = serve(["--store", `sqlite:${path}`]);
  const { port } = await server.logged("server.ready");
  const caller = await Caller.on(Number(port));
  onTestFinished(() => caller.close());
  expect(await caller.increment("c")).toBe(1n);
  return { server, port, caller };
}

async function failed(server: Tally): Promise<void> {
  const ended = await server.ended;
  expect(ended).toMatchObject({ code: EXIT.STORE_FAILED, signal: null, stderr: "" });
  expect(ended.stdout).not.toContain("Every answered change is in the store");
  await server.logged("store.failed");
}

/** By a commit that found it out; or by a server that looks each second, had found it out by then, or had ended of it. */
const NOT_ACKNOWLEDGED = /^(OUTCOME_UNKNOWN$|STORE_UNAVAILABLE$|status 14:)/;

const LOST: Readonly<Record<string, (path: string) => void>> = {
  "removed with all that stands beside it": (path) => {
    for (const suffix of ["", "-wal", "-shm", "-lock"]) rmSync(path + suffix);
  },
  "replaced by a backup": (path) => {
    copyFileSync(path, `${path}.backup`);
    renameSync(`${path}.backup`, path);
  },
  "overwritten by a backup": (path) => copyFileSync(`${path}.before`, path),
};

for (const [what, lose] of Object.entries(LOST)) {
  test(`a data file ${what} under a server that counts: nothing is acknowledged, and it ends with 74`, async () => {
    const path = join(folder(), "tally.db");
    const { server, caller } = await counting(path);
    copyFileSync(path, `${path}.before`);
    lose(path);
    expect(await caller.increment("c")).toMatch(NOT_ACKNOWLEDGED);
    await failed(server);
  });

  test(`a data file ${what} under an idle server: it is not ready any more, and ends with 74`, async () => {
    const path = join(folder(), "tally.db");
    const { server, port } = await counting(path);
    copyFileSync(path, `${path}.before`);
    lose(path);
    await server.logged("store.failed");
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
    expect(ready?.status).not.toBe(200);
    await failed(server);
  });

  test(`a data file ${what}, and then SIGTERM: the end does not say that all is saved`, async () => {
    const path = join(folder(), "tally.db");
    const { server } = await counting(path);
    copyFileSync(path, `${path}.before`);
    server.child.kill("SIGSTOP"); // So that it does not notice before.
    lose(path);
    server.child.kill("SIGTERM");
    server.child.kill("SIGCONT");
    await failed(server);
  });
}

/** Node closes what is open at the end of a process, and SQLite then takes the WAL into the file, were it not kept from it. */
test("a server that has lost its file writes nothing into what stands in its place", async () => {
  const path = join(folder(), "tally.db");
  const first = await counting(path);
  first.server.child.kill("SIGTERM");
  await first.server.ended;
  copyFileSync(path, `${path}.backup`);
  const backup = readFileSync(path);

  const server = serve(["--store", `sqlite:${path}`]);
  const caller = await Caller.on(Number((await server.logged("server.ready")).port));
  expect(await caller.increment("c")).toBe(2n);
  copyFileSync(`${path}.backup`, path);
  expect(await caller.increment("c")).toMatch(NOT_ACKNOWLEDGED);
  caller.close();
  await failed(server);
  expect(readFileSync(path).equals(backup)).toBe(true);

  const again = serve(["--store", `sqlite:${path}`]);
  expect((await again.ended).stderr).toContain("do not belong together");
  for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix); // As it says.
  const restored = serve(["--store", `sqlite:${path}`]);
  const reader = await Caller.on(Number((await restored.logged("server.ready")).port));
  expect(await reader.get("c")).toBe(1n);
  reader.close();
});

/** Ends that seal nothing: what is in the WAL stays there, and the next start has it all. */
const ENDS: Readonly<Record<string, (path: string, server: Tally, port: string) => Promise<void>>> = {
  "whose file was moved away and back": async (path, server) => {
    renameSync(path, `${path}.aside`);
    await server.logged("store.failed");
    renameSync(`${path}.aside`, path); // While it ends.
  },
  "that is told to stop, and told again": async (_, server, port) => {
    const unfinished = connect(Number(port), "127.0.0.1");
    onTestFinished(() => void unfinished.destroy());
    await new Promise((sent) => unfinished.write("POST /v1/counters HTTP/1.1\r\nHost: x\r\n", sent));
    server.child.kill("SIGTERM");
    await server.logged("server.draining");
    const insisting = setInterval(() => server.child.kill("SIGTERM"), 100); // One at once is the same press.
    await server.ended;
    clearInterval(insisting);
  },
};
for (const [what, end] of Object.entries(ENDS)) {
  test(`a server ${what} leaves its WAL to the next start`, async () => {
    const path = join(folder(), "tally.db");
    const { server, port, caller } = await counting(path);
    expect(await caller.increment("c")).toBe(2n);
    await end(path, server, `${port}`);
    expect((await server.ended).code).not.toBe(0);
    expect(statSync(`${path}-wal`).size).toBeGreaterThan(0);

    const again = serve(["--store", `sqlite:${path}`]);
    const reader = await Caller.on(Number((await again.logged("server.ready")).port));
    expect(await reader.get("c")).toBe(2n);
    reader.close();
  });
}

test("by a second name, and with its lock removed, a file that is served is in use by that process", async () => {
  const path = join(folder(), "tally.db");
  const { server, caller } = await counting(path);
  const other = join(folder(), "other.db");
  linkSync(path, other);
  const { pid } = server.child;
  const sentence = `tally: ${other} is in use by process ${pid}, as ${path}; stop that one, or give this one another file.\n`;
  for (const args of [
    ["serve", "--listen", "127.0.0.1:0", "--store", `sqlite:${other}`],
    ["migrate", "up", "--store", `sqlite:${other}`],
    ["copy", "--from", `sqlite:${other}`, "--to", `sqlite:${join(folder(), "target.db")}`],
  ]) {
    await expect(tally(args).ended).resolves.toMatchObject({ code: EXIT.STORE_IN_USE, stderr: sentence });
  }
  rmSync(other);
  rmSync(`${path}-lock`);
  const second = await serve(["--store", `sqlite:${path}`]).ended;
  expect(second).toMatchObject({ code: EXIT.STORE_IN_USE });
  expect(second.stderr).toBe(
    `tally: ${path} is in use by process ${pid}; stop that one, or give this one another file.\n`,
  );
  expect(await caller.increment("c")).toBe(2n);
});

/** As root, in a system that lets it. */
const MOUNTS: Need = {
  name: "mount",
  install: "root, where mounting is allowed",
  here: mounted(),
};

function mounted(): boolean {
  const dir = mkdtempSync(join(tmpdir(), "tally-mount-"));
  try {
    if (spawnSync("mount", ["-t", "tmpfs", "tmpfs", dir]).status !== 0) return false;
    return spawnSync("umount", [dir]).status === 0;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function mount(...args: string[]): void {
  expect(spawnSync("mount", args, { encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
  onTestFinished(() => void spawnSync("umount", ["-l", args.at(-1)!]));
}

describeWith([MOUNTS], "mounts", () => {
  test("a data file that is mounted by itself is refused, by either name while it is had by nobody", async () => {
    const path = join(folder(), "tally.db");
    const { server } = await counting(path);
    server.child.kill("SIGTERM");
    await server.ended;
    const other = join(folder(), "tally.db");
    copyFileSync(path, other);
    mount("--bind", path, other);
    const { code, stderr } = await serve(["--store", `sqlite:${other}`]).ended;
    expect(code).toBe(EXIT.STORE_UNUSABLE);
    expect(stderr).toContain(`${other} is mounted by itself`);
  });

  test("a folder that is mounted twice is one folder", async () => {
    const [one, two] = [folder(), folder()];
    mount("--bind", one, two);
    const { server, caller } = await counting(join(one, "tally.db"));
    const second = await serve(["--store", `sqlite:${join(two, "tally.db")}`]).ended;
    expect(second.code).toBe(EXIT.STORE_IN_USE);
    expect(await caller.increment("c")).toBe(2n);
    server.child.kill("SIGTERM");
    await server.ended;
    const other = serve(["--store", `sqlite:${join(two, "tally.db")}`]);
    const reader = await Caller.on(Number((await other.logged("server.ready")).port));
    expect(await reader.get("c")).toBe(2n);
    reader.close();
    other.child.kill("SIGTERM");
    await other.ended;
  });

  test("a disk that goes, and one that is mounted over it, end the server with 74", async () => {
    for (const away of ["umount", "over"]) {
      const disk = join(folder(), "disk");
      mkdirSync(disk);
      mount("-t", "tmpfs", "tmpfs", disk);
      const { server, caller } = await counting(join(disk, "tally.db"));
      if (away === "umount") expect(spawnSync("umount", ["-l", disk]).status).toBe(0);
      else mount("-t", "tmpfs", "tmpfs", disk);
      expect(await caller.increment("c")).toMatch(NOT_ACKNOWLEDGED);
      await failed(server);
    }
  });
});
