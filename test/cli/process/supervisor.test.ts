/** A service of systemd's tells it how it is, by the socket that the environment names. */
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, it, onTestFinished } from "vitest";
import { openSupervisor, type Supervisor } from "../../../src/cli/supervisor.ts";
import { TALLY_OF_SOURCES } from "../../support/bundles/command.ts";
import { describeWith, program } from "../../support/needs.ts";
import { OLD, OLD_NODE } from "./old-node.ts";
import { folder, serve, Tally } from "./tally.ts";

const NOTIFY = program("systemd-notify", { install: "apt-get install systemd" });

describeWith([NOTIFY], "systemd", () => {
  it("is told when calls are answered, of a reload, of every third of its time, and of the stop", async () => {
    const dir = folder();
    const systemd = await listening(dir);
    const config = join(dir, "tally.toml");
    writeFileSync(config, "");
    const args = ["--store", `sqlite:${join(dir, "tally.db")}`, "--config", config];
    const env = { NOTIFY_SOCKET: systemd.path, WATCHDOG_USEC: "900000" };
    const server = serve(args, { env });
    const { port } = await server.logged("server.ready");
    await systemd.told(["READY=1", `STATUS=Serving on 127.0.0.1:${port}.`]);
    await systemd.told(["WATCHDOG=1"]);
    await systemd.told(["WATCHDOG=1"], 2);
    const before = process.hrtime.bigint() / 1_000n;
    server.child.kill("SIGHUP");
    const [, usec] = await systemd.told(["RELOADING=1", /^MONOTONIC_USEC=\d+$/, /^STATUS=Reading/]);
    expect(BigInt(usec!.split("=")[1]!) >= before).toBe(true);
    expect(BigInt(usec!.split("=")[1]!) <= process.hrtime.bigint() / 1_000n).toBe(true);
    await systemd.told(["READY=1", /^STATUS=Serving/], 2);
    server.child.kill("SIGTERM");
    await systemd.told(["STOPPING=1", /^STATUS=Stopping/]);
    const { code, stdout, stderr } = await server.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).not.toContain("supervisor.untold");
    const order = systemd.all.flat().filter((each) => /^(READY|RELOADING|STOPPING)=1$/.test(each));
    expect(order).toEqual(["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]);
  });

  it("is told nothing before the doors are open, and nothing of a start that fails", async () => {
    const dir = folder();
    const systemd = await listening(dir);
    const server = serve(["--store", `sqlite:${join(dir, "none/tally.db")}`], {
      env: { NOTIFY_SOCKET: systemd.path },
    });
    expect(await server.ended).toMatchObject({ code: 73 });
    expect(systemd.all).toEqual([]);
  });

  it("is told to have patience with what does not answer by nothing at all", async () => {
    const systemd = await listening(folder());
    const asked = new EventEmitter();
    const answers: (() => void)[] = [];
    const supervisor = opened({ NOTIFY_SOCKET: systemd.path, WATCHDOG_USEC: "30000" });
    const unwatch = supervisor!.watch(() => {
      asked.emit("asked");
      return new Promise<void>((resolve) => answers.push(resolve));
    });
    onTestFinished(unwatch);
    supervisor!.ready("one");
    await systemd.told(["READY=1", "STATUS=one"]);
    expect(answers).toHaveLength(1); // And no second question while it waits for the answer.
    expect(systemd.all.flat()).not.toContain("WATCHDOG=1");
    const again = once(asked, "asked");
    answers[0]!();
    await again;
    await systemd.told(["WATCHDOG=1"]);
    supervisor!.ready("two\tlines\nor three");
    await systemd.told(["READY=1", "STATUS=two lines or three"]);
    expect(systemd.all.flat().filter((each) => each === "WATCHDOG=1")).toHaveLength(1);
    expect(untold).toEqual([]);
  });

  it("does not want to hear of another process, or of none", async () => {
    const systemd = await listening(folder());
    let asked = 0;
    const watch = (env: NodeJS.ProcessEnv) => {
      const supervisor = opened({ NOTIFY_SOCKET: systemd.path, ...env })!;
      onTestFinished(supervisor.watch(async () => asked++));
    };
    watch({ WATCHDOG_USEC: "30000", WATCHDOG_PID: `${process.pid + 1}` });
    watch({});
    watch({ WATCHDOG_USEC: "soon" });
    expect(asked).toBe(0);
    watch({ WATCHDOG_USEC: "30000", WATCHDOG_PID: `${process.pid}` });
    expect(asked).toBe(1);
    expect(opened({ NOTIFY_SOCKET: "" })).toBeUndefined();
  });

  it("that cannot be told is an error of the log, and the service goes on", async () => {
    const server = serve([], { env: { NOTIFY_SOCKET: join(folder(), "nobody") } });
    const { port } = await server.logged("server.ready");
    expect(await server.logged("supervisor.untold")).toMatchObject({
      level: "error",
      detail: expect.stringMatching(/\S/),
    });
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
    server.child.kill("SIGTERM");
    expect(await server.ended).toMatchObject({ code: 0 });
  });
});

const untold: string[] = [];

describeWith([NOTIFY, OLD_NODE], "on an old Node.js, which runs it on a newer one", () => {
  it("systemd hears that it goes on, although it watches over the old one", async () => {
    const systemd = await listening(folder());
    const serving = 'WATCHDOG_PID=$$ exec "$@"';
    const args = ["-c", serving, "sh", OLD!.path, TALLY_OF_SOURCES];
    const server = new Tally("sh", [...args, "serve", "--listen", "127.0.0.1:0", "--store", "memory:"], {
      env: { NOTIFY_SOCKET: systemd.path, WATCHDOG_USEC: "900000" },
    });
    expect((await server.logged("server.ready")).pid).not.toBe(server.child.pid);
    await systemd.told(["WATCHDOG=1"], 2);
    server.child.kill("SIGTERM");
    expect(await server.ended).toMatchObject({ code: 0 });
  });
});

function opened(env: NodeJS.ProcessEnv): Supervisor | undefined {
  return openSupervisor(
    { PATH: process.env.PATH, ...env },
    {
      pid: process.pid,
      monotonicUs: () => 1n,
      onUntold: (why) => void untold.push(why), // As soon as nobody listens any more.
    },
  );
}

/** Something that listens where systemd would. */
async function listening(dir: string) {
  const path = join(dir, "notify");
  const script = new URL("./notified.py", import.meta.url).pathname;
  const child: ChildProcess = spawn("python3", [script, path], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const heard: string[][] = [];
  const lines = createInterface({ input: child.stdout! });
  await once(lines, "line"); // It listens.
  lines.on("line", (line) => heard.push(JSON.parse(line)));
  const matches = (told: string[], expected: readonly (string | RegExp)[]) =>
    told.length === expected.length &&
    expected.every((each, i) => (typeof each === "string" ? told[i] === each : each.test(told[i]!)));
  return {
    path,
    all: heard,
    /** The so many-th datagram of these assignments. */
    async told(expected: readonly (string | RegExp)[], nth = 1): Promise<string[]> {
      for (;;) {
        const found = heard.filter((told) => matches(told, expected));
        if (found.length >= nth) return found[nth - 1]!;
        await once(lines, "line");
      }
    },
  };
}
