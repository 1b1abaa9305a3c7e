/** Signals that mean something to other services, and a log that cannot be written, do not end this one. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { TALLY } from "../../support/bundles/command.ts";
import { freePort } from "../../support/free-port.ts";
import { describeWith } from "../../support/needs.ts";
import { SCRIPT } from "../terminal.ts";
import { folder, serve, Tally, tally } from "./tally.ts";

it("a debugger that SIGUSR1 opened before Tally ran is shut, one that was asked for is not", async () => {
  // What the signal does in the first milliseconds, at a moment that can be named: before any of ours is loaded.
  const opened = `data:text/javascript,import{open}from"node:inspector";open(0,"127.0.0.1")`;
  const args = [TALLY, "serve", "--listen", "127.0.0.1:0", "--store", "memory:"];
  const server = new Tally(process.execPath, ["--import", opened, ...args]);
  await server.told("Debugger listening on ws://127.0.0.1:");
  expect(await server.logged("signal.ignored")).toMatchObject({ signal: "SIGUSR1" });

  const asked = new Tally(process.execPath, ["--inspect=127.0.0.1:0", ...args]);
  await asked.told("Debugger listening on ws://127.0.0.1:");
  await asked.logged("server.ready");
  asked.child.kill("SIGUSR2");
  expect(await asked.logged("signal.ignored")).toMatchObject({ signal: "SIGUSR2" }); // The first of these.
});

it("a log whose reader has gone does not stop it", async () => {
  const server = serve();
  const { port } = await server.logged("server.ready");
  server.child.stdout!.destroy();
  server.child.kill("SIGUSR2"); // A line that nobody reads.
  expect(await increment(port as number)).toBe(200);
  server.child.kill("SIGTERM");
  expect(await server.ended).toMatchObject({ code: 0, stderr: "" });
});

it("a log whose disk is full does not stop it", async () => {
  const port = await freePort();
  const at = `127.0.0.1:${port}`;
  const line = `exec "${process.execPath}" "${TALLY}" serve --store memory: --listen ${at} > /dev/full`;
  const server = new Tally("sh", ["-c", line]);
  expect((await tally(["ping", "--wait", "--timeout", "15s", "--server", at]).ended).code).toBe(0);
  server.child.kill("SIGUSR2");
  expect(await increment(port)).toBe(200);
  server.child.kill("SIGTERM");
  expect(await server.ended).toMatchObject({ code: 0, stderr: "" });
});

describeWith([SCRIPT], "at a terminal", () => {
  it("that goes away, it stops in order: nobody is left to press Ctrl-C", async () => {
    const port = await freePort();
    const [at, path] = [`127.0.0.1:${port}`, join(folder(), "tally.db")];
    const line = `'${process.execPath}' '${TALLY}' serve --listen ${at} --store 'sqlite:${path}'`;
    const terminal = spawn("script", ["--quiet", "--command", line, "/dev/null"]);
    onTestFinished(() => void terminal.kill("SIGKILL"));
    expect((await tally(["ping", "--wait", "--timeout", "15s", "--server", at]).ended).code).toBe(0);
    expect(await increment(port)).toBe(200);
    expect(existsSync(`${path}-wal`)).toBe(true);
    terminal.kill("SIGKILL");
    await expect.poll(() => existsSync(`${path}-wal`)).toBe(false); // Taken into the file.
  });
});

async function increment(port: number): Promise<number> {
  return (await fetch(`http://127.0.0.1:${port}/v1/counters/a:increment`, { method: "POST" })).status;
}
