/** What a server does of each signal that there is, as docs/configuration.md says it; and the process before it on an old Node.js. */
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { TALLY_OF_SOURCES } from "../../support/bundles/command.ts";
import { describeWith } from "../../support/needs.ts";
import { OLD, OLD_NODE } from "./old-node.ts";
import { folder, ROOT, serve, Tally } from "./tally.ts";

const NUMBERS = constants.signals as Readonly<Record<string, number>>;

/** The rows of the table, each as the numbers of its signals. */
const [STOPS, RELOADS, SPENT, IGNORED, NOTHING, STANDS, ENDS] = rows();
const USR1 = NUMBERS.SIGUSR1!;

it("the table has each of the 64 signals once", () => {
  const all = rows().flat();
  expect(all.sort((a, b) => a - b)).toEqual(Array.from({ length: 64 }, (_, i) => i + 1));
});

describe("a server", () => {
  it("hears what the table says, logs what it ignores, and goes on", async () => {
    const server = serve();
    const { port } = await server.logged("server.ready");
    expectDispositions(server.child.pid!, [...STOPS!, ...RELOADS!, ...SPENT!, ...IGNORED!]);
    for (const number of [...RELOADS!, ...IGNORED!]) {
      process.kill(server.child.pid!, number);
      await server.printed(`"signal":"${nameOf(number)}"`);
    }
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
    server.child.kill("SIGTERM");
    expect(await server.ended).toMatchObject({ code: 0, stderr: "" }); // Node.js says there when its debugger listens.
  });

  it("has a shell, for its supervisor, that does not end of what it does not end of", async () => {
    const server = serve([], { env: { NOTIFY_SOCKET: join(folder(), "none") } });
    await server.logged("supervisor.untold"); // The shell goes on.
    const pid = server.child.pid!;
    const [shell] = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").map(Number);
    const ignored = inMask(shell!, "SigIgn");
    expect(
      [...STOPS!, ...RELOADS!, ...SPENT!, ...IGNORED!].filter((each) => !ignored.includes(each)),
    ).toEqual([]);
  });

  it("whose processor time is used up stops in order, and says so by its exit code", async () => {
    const server = serve(["--store", `sqlite:${join(folder(), "tally.db")}`]);
    const { port } = await server.logged("server.ready");
    expect((await fetch(`http://127.0.0.1:${port}/v1/counters/a:increment`, { method: "POST" })).status).toBe(
      200,
    );
    server.child.kill("SIGXCPU");
    expect(await server.logged("server.draining")).toMatchObject({ signal: "SIGXCPU" });
    server.child.kill("SIGXCPU"); // The kernel says it each second.
    await server.logged("server.stopped");
    expect(await server.ended).toMatchObject({ code: 152, signal: null, stderr: "" });
  });
});

describeWith([OLD_NODE], "the first of two processes, on an old Node.js", () => {
  const SERVE = [TALLY_OF_SOURCES, "serve", "--listen", "127.0.0.1:0", "--store", "memory:"];
  const start = async () => {
    const server = new Tally(OLD!.path, SERVE);
    const { pid } = await server.logged("server.ready");
    return { server, pid: pid as number };
  };

  it("hands on what the table says, and ends as the server does", async () => {
    const { server, pid } = await start();
    const handedOn = [...STOPS!, ...RELOADS!, ...SPENT!, ...IGNORED!, NUMBERS.SIGQUIT!];
    expectDispositions(server.child.pid!, handedOn);
    expectDispositions(pid, [...STOPS!, ...RELOADS!, ...SPENT!, ...IGNORED!]);
    for (const number of [...RELOADS!, ...IGNORED!.filter((each) => each !== USR1)]) {
      process.kill(server.child.pid!, number);
      await server.printed(`"signal":"${nameOf(number)}"`);
    }
    process.kill(server.child.pid!, USR1);
    server.child.kill("SIGXCPU");
    await server.logged("server.stopped");
    expect(await server.ended).toMatchObject({ code: 152, signal: null, stderr: "" });
  });

  it.each([34, 64])("ends of the signal %i, which has no name, as the server did", async (number) => {
    const line = `"$0" "$@"; echo "ended with $?"`; // Node.js would show it as exit code 0 here, too.
    const server = new Tally("sh", ["-c", line, OLD!.path, ...SERVE]);
    const { pid } = await server.logged("server.ready");
    process.kill(pid as number, number);
    const { stdout } = await server.ended;
    expect(stdout).toContain(`ended with ${128 + number}`);
  });

  it("gives it the pipes that a shell has made, beside a channel of its own", async () => {
    const line = `exec 3< <(echo 'log-level = "debug"'); exec "$0" "$@" --config /dev/fd/3`;
    const server = new Tally("bash", ["-c", line, OLD!.path, ...SERVE]);
    await server.logged("server.starting"); // At debug.
    await server.logged("server.ready");
    server.child.kill("SIGKILL");
    await server.logged("server.stopped"); // Which the channel told.
  });
});

/** The signals that each row of the table is about. */
function rows(): number[][] {
  const text = readFileSync(join(ROOT, "docs/configuration.md"), "utf8");
  const [, table] = /\| signal \| what .*\n\|---\|---\|\n((?:\|.*\n)+)/.exec(text)!;
  return table!
    .trimEnd()
    .split("\n")
    .map((row) => {
      const [, cell] = row.split("|");
      const named = [...cell!.matchAll(/SIG[A-Z0-9]+/g)].map(([name]) => NUMBERS[name]!);
      const [, from, to] = /(\d+) to (\d+)/.exec(cell!) ?? [];
      for (let each = Number(from); each <= Number(to); each++) named.push(each);
      return [...new Set(named)];
    });
}

/** Of some signals the process hears, of the rest it does what the system would have it do. */
function expectDispositions(pid: number, heard: readonly number[]): void {
  const caught = inMask(pid, "SigCgt");
  expect(heard.filter((number) => !caught.includes(number))).toEqual([]);
  // Node.js hears of its children, V8 of bad addresses and then ends; and glibc has two for its threads.
  const others = [NUMBERS.SIGCHLD!, NUMBERS.SIGWINCH!, NUMBERS.SIGSEGV!, 32, 33];
  expect(caught.filter((number) => !heard.includes(number) && !others.includes(number))).toEqual([]);
  expect(inMask(pid, "SigIgn").filter((number) => !NOTHING!.includes(number))).toEqual([]);
  expect(STANDS!.concat(ENDS!).filter((number) => inMask(pid, "SigBlk").includes(number))).toEqual([]);
}

function nameOf(number: number): string {
  return Object.keys(NUMBERS).find((name) => NUMBERS[name] === number)!;
}

/** The signals of one of a process's masks. */
function inMask(pid: number, name: "SigCgt" | "SigIgn" | "SigBlk"): number[] {
  const [, hex] = new RegExp(`^${name}:\\s+(\\w+)`, "m").exec(readFileSync(`/proc/${pid}/status`, "latin1"))!;
  const mask = BigInt(`0x${hex}`);
  return Array.from({ length: 64 }, (_, i) => i + 1).filter((each) => (mask >> BigInt(each - 1)) & 1n);
}
