/** `tally delete --prefix` and `tally reset --prefix`: many counters, after their number was typed, over whatever ends it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { RPC, TallyClient } from "../../src/client/client.ts";
import { ServerProcess } from "../proofs/crash/server-process.ts";
import { TALLY } from "../support/bundles/command.ts";
import { freePort } from "../support/free-port.ts";
import { describeWith } from "../support/needs.ts";
import { cleanEnv, folder, serverForTests, tally } from "./cli.ts";
import { openTerminal, SCRIPT } from "./terminal.ts";

const server = serverForTests();
const env = () => ({ TALLY_SERVER: server.address });
const at = (...args: string[]) => tally(args, { env: env() });
const countOf = async (prefix: string) =>
  (await at("sum", prefix, "-o", "json")).stdout.match(/"count": "(\d+)"/)?.[1];

describe("without anybody to ask", () => {
  it("wants --yes, and does nothing without", async () => {
    for (const name of ["a:1", "a:2"]) await at("inc", name);
    expect(await at("delete", "--prefix", "a:")).toMatchObject({
      code: EXIT.USAGE,
      stdout: "",
      stderr: "tally: Nobody is there to confirm it; delete without a question with --yes.\n",
    });
    expect(await at("reset", "--prefix", "a:")).toMatchObject({
      code: EXIT.USAGE,
      stderr: "tally: Nobody is there to confirm it; reset without a question with --yes.\n",
    });
    expect(await countOf("a:")).toBe("2");
  });

  it("a dry run tells how many, --yes does it, and again there is none", async () => {
    for (const name of ["b:1", "b:2", "b:3"]) await at("create", name, "--label", "team=web");
    await at("create", "b:4");
    const told = (code: number, stdout: string) => ({ code, signal: null, stdout, stderr: "" });
    expect(await at("delete", "--prefix", "b:", "--label", "team=web", "--dry-run")).toEqual(told(0, "3\n"));
    expect(await countOf("b:")).toBe("4");
    expect(await at("delete", "--prefix", "b:", "--label", "team=web", "--yes")).toEqual(told(0, "3\n"));
    expect(await at("delete", "--prefix", "b:", "--after", "b:4", "--yes")).toEqual(told(0, "0\n"));
    expect(await at("delete", "--prefix", "b:", "--yes", "-o", "table")).toMatchObject({
      stdout: expect.stringMatching(/^deleted +1\nskipped +0\nlast name +b:4\n$/),
    });
    expect(await at("delete", "--prefix", "b:", "--yes")).toEqual(told(0, "0\n"));
  });

  it("reset tells what it skips, and ends as refused", async () => {
    await at("create", "c:1", "--monotonic", "--value", "5");
    await at("create", "c:2", "--initial", "3", "--value", "5");
    expect(await at("reset", "--prefix", "c:", "--yes")).toMatchObject({
      code: EXIT.REFUSED,
      stdout: "1\n",
      stderr: expect.stringMatching(/^tally: c:1: The counter is monotonic.*\n$/),
    });
    expect((await at("get", "c:1", "c:2")).stdout).toBe("5\n3\n");
  });

  it.each([
    [["delete"], "Name the counters, or give --prefix, --label or --all."],
    [
      ["reset", "a", "--prefix", "b", "--yes"],
      "Name counters, or give --prefix, --label or --all, and not both (a).",
    ],
    [["delete", "--prefix", "", "--yes"], "An empty --prefix is all counters; say --all."],
    [["delete", "a", "--dry-run"], "--after and --dry-run go with --prefix, --label or --all."],
    [["delete", "--prefix", "a", "--etag", "x", "--yes"], "--etag goes with names, and not with"],
    [["delete", "--prefix", "a", "--after", "b", "--yes"], "must begin with prefix"],
    [["delete", "--prefix", "é", "--yes"], "must be at most 200 bytes of printable ASCII"],
    [["delete", "--prefix", "a", "--all", "--yes"], "must be true without prefix and labels, and only then"],
  ])("%j is no request", async (args, said) => {
    const { code, stderr } = await at(...args);
    expect(code).toBe(EXIT.USAGE);
    expect(stderr).toContain(said);
  });

  it("a server that is away is told so", async () => {
    const { code, stderr } = await tally(["delete", "--prefix", "a", "--yes", "--server", "127.0.0.1:1"]);
    expect(code).toBe(EXIT.UNAVAILABLE);
    expect(stderr).toContain("No Tally server answers at 127.0.0.1:1");
  });
});

describeWith([SCRIPT], "at a terminal", () => {
  const ask = (...args: string[]) =>
    openTerminal([process.execPath, TALLY, ...args], { env: { ...env(), NODE_NO_WARNINGS: "1" } });

  it("asks for the number, and deletes when it is typed", async () => {
    for (const name of ["d:1", "d:2", "d:3"]) await at("inc", name);
    const terminal = ask("delete", "--prefix", "d:");
    await terminal.shows("Type 3 to go on: ");
    expect(terminal.screen).toBe(
      "This deletes 3 counters whose names begin with d:, for good; their history goes too. Type 3 to go on: ",
    );
    terminal.type("3\n");
    expect(await terminal.ended).toBe(EXIT.OK);
    expect(await countOf("d:")).toBe("0");
  });

  it.each(["4\n", "\n", "y\n", "\x04"])("does nothing for %j", async (typed) => {
    await at("set", "e:1", "7");
    const terminal = ask("reset", "--prefix", "e:");
    await terminal.shows("Type 1 to go on: ");
    terminal.type(typed);
    expect(await terminal.ended).toBe(EXIT.FAILURE);
    expect(terminal.screen).toContain("That is not their number; none is reset.");
    expect((await at("get", "e:1")).stdout).toBe("7\n");
  });
});

describe("in the middle", () => {
  const COUNT = 12_000;

  /** A server on a file, with many counters and one beside them. */
  async function filled() {
    const [port, store] = [await freePort(), `sqlite:${join(folder(), "tally.db")}`];
    const start = async () => {
      const process = new ServerProcess({ port, store });
      await process.ready();
      return process;
    };
    let running = await start();
    onTestFinished(async () => void (await running.kill()));
    const client = new TallyClient({ server: `127.0.0.1:${port}`, attemptsMax: 50, timeoutMs: 60_000 });
    onTestFinished(() => client.close());
    for (let from = 0; from < COUNT; from += 6_000)
      await client.call(RPC.batchApply, {
        operations: Array.from({ length: 6_000 }, (_, i) => ({
          name: `old:${from + i}`,
          action: { case: "increment" as const, value: 1n },
        })),
      });
    await client.call(RPC.increment, { name: "kept", amount: 7n });
    const left = async () => Number((await client.call(RPC.sumCounters, { prefix: "old:" })).count);
    const begun = async () => {
      const first = async () =>
        (await client.call(RPC.listCounters, { prefix: "old:", pageSize: 1 })).counters[0];
      while ((await first())?.name === "old:0"); // To sum them all up over and over would take the server from its work.
    };
    const restart = async () => {
      await running.kill();
      running = await start();
    };
    return { client, port, left, begun, restart };
  }

  function deleting(port: number, command = "delete") {
    const args = [TALLY, command, "--prefix", "old:", "--yes", "--server", `127.0.0.1:${port}`, "-o", "json"];
    const child = spawn(process.execPath, args, { env: cleanEnv(), stdio: ["ignore", "pipe", "pipe"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    let printed = "";
    child.stdout.on("data", (text) => {
      printed += text;
    });
    child.stderr.on("data", (text) => {
      printed += text;
    });
    return {
      child,
      ended: once(child, "close").then(([code]) => ({ code: code as number | null, printed })),
    };
  }

  it("a server that is killed and comes again is gone on with: all are deleted, and nothing else is", async () => {
    const { client, port, left, begun, restart } = await filled();
    const { ended } = deleting(port);
    await begun();
    await restart();
    const { code, printed } = await ended;
    expect([code, printed.includes('"complete": true')], printed).toEqual([EXIT.OK, true]);
    expect(await left()).toBe(0);
    expect((await client.call(RPC.getCounter, { name: "kept" })).counter?.value).toBe(7n);
  });

  it("a caller that is stopped says exactly what was done, and from where to go on, without a terminal too", async () => {
    const { port, left, begun } = await filled();
    const { child, ended } = deleting(port);
    await begun();
    child.kill("SIGINT");
    const { printed } = await ended;
    expect(child.signalCode).toBe("SIGINT");
    const [, done] =
      /^tally: Stopping when the slice.*\ntally: ([\d,]+) deleted\. Go on with --after old:\d+\.\n$/.exec(
        printed,
      ) ?? [];
    expect(done, printed).toBeDefined();
    expect(await left()).toBe(COUNT - Number(done!.replaceAll(",", "")));
  });

  it("a reset that is stopped and gone on with resets each once", async () => {
    const { client, port } = await filled();
    const { child, ended } = deleting(port, "reset");
    const sum = async () => Number((await client.call(RPC.sumCounters, { prefix: "old:" })).sum);
    while ((await sum()) === COUNT);
    child.kill("SIGTERM");
    const { printed } = await ended;
    const [, done, after] = /\ntally: ([\d,]+) reset\. Go on with --after (old:\d+)\.\n$/.exec(printed) ?? [];
    expect(await sum(), printed).toBe(COUNT - Number(done!.replaceAll(",", "")));
    await client.call(RPC.increment, { name: after!, amount: 5n }); // Which was reset: it is not again.
    expect(
      (await at("reset", "--prefix", "old:", "--yes", "--after", after!, "--server", `127.0.0.1:${port}`))
        .code,
    ).toBe(0);
    expect(await sum()).toBe(5);
  });

  it("a caller that is killed ends it after a slice, and the rest goes with the next one", async () => {
    const { port, left, begun } = await filled();
    const { child, ended } = deleting(port);
    await begun();
    child.kill("SIGKILL");
    await ended;
    expect(await left()).toBeGreaterThan(0);
    expect(await deleting(port).ended).toMatchObject({ code: EXIT.OK });
    expect(await left()).toBe(0);
  });
});
