/** `tally count` as people run it: a process with pipes, signals and a server that goes away. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { RPC } from "../../../src/client/client.ts";
import { TALLY } from "../../support/bundles/command.ts";
import { freePort } from "../../support/free-port.ts";
import { restartable, running } from "./server.ts";
import { folder, Tally, tally } from "./tally.ts";

describe("tally count", () => {
  it("counts what awk prints, as it stands in the help", async () => {
    const server = await running();
    const log = join(folder(), "access.log");
    writeFileSync(
      log,
      ["/a", "/b?x=1", "/a", "/caf\u00e9"].map((path) => `h - - [d z] "GET ${path} HTTP/1.1"\n`).join(""),
    );
    const command = `awk '{print $7}' ${log} | "${process.execPath}" ${TALLY} count --prefix page:`;
    const { code, stdout, stderr } = await new Tally("sh", ["-c", command], server.env).ended;
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^4 of 4 lines counted; about 3 names, 1 call, 0 retries, .* lines\/s\.\n$/);
    expect(code).toBe(0);
    expect(await server.values("page:/a", "page:/b?x=1", "page:/caf%C3%A9")).toEqual([2n, 1n, 1n]);
  });

  it("takes a field of a line by itself, from several files and standard input", async () => {
    const server = await running();
    const [first, second] = [join(folder(), "first"), join(folder(), "second")];
    writeFileSync(first, "1 a\n2 b"); // No newline at its end.
    writeFileSync(second, "3 a\n4\n\n");
    const run = tally(["count", "--field", "2", first, "-", second, "-o", "json"], server.piped);
    run.child.stdin!.end("5\tb c\n");
    const { code, stdout } = await run.ended;
    expect(JSON.parse(stdout)).toMatchObject({
      complete: true,
      lines: 6,
      counted: 4,
      skipped: { empty: 1, unmatched: 1 },
      refused: {},
      unknown: 0,
      notSent: 0,
      names: 2,
      calls: 1,
      retries: 0,
    });
    expect(code).toBe(0);
    expect(await server.values("a", "b")).toEqual([2n, 2n]);
  });

  it("shows the first names that are too long, says how many, counts the rest and exits with 4", async () => {
    const server = await running();
    const run = tally(["count"], server.piped);
    run.child.stdin!.end(
      `${Array.from({ length: 9 }, (_, i) => `${i}${"\u00e9".repeat(40)}`).join("\n")}\n-x\n50%\n`,
    );
    const { code, stdout, stderr } = await run.ended;
    expect(stdout).toMatch(/^2 of 11 lines counted, 9 refused \(9 NAME_TOO_LONG\); /);
    expect(stderr.match(/^Not counted: .*would take 241 bytes, and 200 are the most/gm)).toHaveLength(5);
    expect(stderr).toMatch(/tally: 9 lines were not counted; the summary says why\.\n$/);
    expect(code).toBe(4);
    expect(await server.values("%2Dx", "50%25")).toEqual([1n, 1n]);
  });

  it("says what the server refuses, counts the rest and exits with 4", async () => {
    const server = await running();
    await server.client.call(RPC.createCounter, { name: "seats", max: 2n });
    const run = tally(["count", "-o", "json"], server.piped);
    run.child.stdin!.end("seats\nother\nseats\nseats\n");
    const { code, stdout, stderr } = await run.ended;
    expect(JSON.parse(stdout)).toMatchObject({ lines: 4, counted: 1, refused: { ABOVE_MAX: 3 } });
    expect(stderr).toMatch(/^Not counted: seats: /);
    expect(code).toBe(4);
    expect(await server.values("seats", "other")).toEqual([0n, 1n]);
  });

  it("reads nothing when there is no server", async () => {
    const port = await freePort();
    const run = tally(["count", "--server", `127.0.0.1:${port}`], { stdin: "pipe" });
    const { code, stdout, stderr } = await run.ended; // Its input never ends.
    expect({ code, stdout }).toEqual({ code: 69, stdout: "" });
    expect(stderr).toMatch(/nothing listens there\. Start one with `tally serve`/);
  });

  it.each([
    [["--field", "0"], "Expected the number of a field, from 1"],
    [["--regex", "("], "Expected a JavaScript expression"],
    [["--prefix", "caf\u00e9"], "expected printable ASCII"],
    [["--prefix=-p"], "expected printable ASCII"],
    [["--prefix", "-p"], "--prefix needs a value"],
    [["--field", "1", "--regex", "a"], "cannot be used with"],
    [["--timeout", "2h"], "Expected a duration from 1ms to 30m"],
  ])("refuses %j, and counts nothing", async (args, why) => {
    const { code, stdout, stderr } = await tally(["count", ...args]).ended;
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(why);
  });

  it("refuses a file that is not there before it counts the others", async () => {
    const server = await running();
    const there = join(folder(), "there");
    writeFileSync(there, "a\n");
    const { code, stderr } = await tally(["count", there, "not-there"], server.env).ended;
    expect(stderr).toMatch(/^tally: not-there cannot be read: ENOENT/);
    expect(code).toBe(1);
    expect(await server.values("a")).toEqual([undefined]);
  });

  it.each([
    ["/dev/zero", "it is a device"],
    ["/dev/urandom", "it is a device"],
    [".", "is a folder"],
  ])("refuses %s, which has no end or no lines, before it counts the others", async (path, why) => {
    const server = await running();
    const there = join(folder(), "there");
    writeFileSync(there, "a\n");
    const { code, stderr } = await tally(["count", there, path], server.env).ended;
    expect(stderr).toContain(why);
    expect(code).toBe(1);
    expect(await server.values("a")).toEqual([undefined]);
  });

  it("reads what is open already and what ends: -, /dev/stdin, <(...), named pipes, /dev/null", async () => {
    const server = await running();
    const fifo = join(folder(), "fifo");
    const command = (each: string) => `"${process.execPath}" bin/tally.mjs count -q ${each}`;
    const script = [
      `printf 'x\\n' | ${command("-")}`,
      `printf 'x\\n' | ${command("/dev/stdin")}`,
      `${command("<(printf 'x\\n') /dev/null")}`,
      `mkfifo ${fifo}; printf 'x\\n' > ${fifo} & ${command(fifo)}`,
    ].join(" && ");
    const ran = await new Tally("bash", ["-ec", script], server.env).ended;
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(await server.values("x")).toEqual([4n]);
  });

  it("counts input that comes slowly as it comes", async () => {
    const server = await running();
    const run = tally(["count"], server.piped);
    run.child.stdin!.write("slow\nslow\nhal");
    await server.has("slow", 2n); // Times out if it waits for the end of its input.
    run.child.stdin!.end("f\n");
    expect((await run.ended).code).toBe(0);
    expect(await server.values("slow", "half")).toEqual([2n, 1n]);
  });

  it("Ctrl-C: reads no more, counts what it has read, says so, and ends of the signal", async () => {
    const server = await running();
    const run = tally(["count"], server.piped);
    run.child.stdin!.write("a\na\nb\nhal");
    await server.has("a", 2n);
    run.child.kill("SIGINT");
    const { signal, stdout, stderr } = await run.ended;
    expect(stdout).toMatch(/^3 of 3 lines counted; /);
    expect(stderr).toMatch(/^Reading no more/);
    expect(signal).toBe("SIGINT"); // Which a shell shows as 130.
    expect(await server.values("a", "b")).toEqual([2n, 1n]);
  });

  it("a second Ctrl-C does not wait for a server that does not answer", async () => {
    const server = await restartable();
    const run = tally(["count", "--server", server.address], { stdin: "pipe" });
    run.child.stdin!.write("a\n");
    await server.has("a", 1n);
    process.kill(server.pid, "SIGSTOP");
    onTestFinished(() => void process.kill(server.pid, "SIGKILL"));
    run.child.stdin!.write("a\n");
    run.child.kill("SIGINT");
    await run.told("Reading no more");
    await new Promise((resolve) => setTimeout(resolve, 400)); // A sooner one counts as the same press.
    run.child.kill("SIGINT");
    const { signal, stderr } = await run.ended;
    expect(signal).toBe("SIGINT");
    expect(stderr).toMatch(/Stopped without waiting: 1 of [12] lines? counted/);
  });

  it("an expression that never ends with a line is said to be slow, and a second Ctrl-C ends it", async () => {
    const server = await running();
    const run = tally(["count", "--regex", "^(a+)+$"], server.piped);
    run.child.stdin!.write(`${"a".repeat(60)}!\n`);
    await run.told("The expression has been busy for seconds");
    run.child.kill("SIGINT");
    await run.told("Reading no more");
    await new Promise((resolve) => setTimeout(resolve, 400)); // A sooner one counts as the same press.
    run.child.kill("SIGINT");
    const { signal, stderr } = await run.ended;
    expect(signal).toBe("SIGINT");
    expect(stderr).toMatch(/Stopped without waiting: 0 of 0 lines counted/);
  });

  it("of an expression that never ends one SIGTERM stops it too, and what was read before is counted", async () => {
    const server = await running();
    const run = tally(["count", "--regex", "^(a+)+$"], server.piped);
    run.child.stdin!.write("aaa\n");
    await server.has("aaa", 1n);
    run.child.stdin!.write(`${"a".repeat(60)}!\n`);
    await run.told("The expression has been busy for seconds");
    run.child.kill("SIGTERM");
    const { signal, stdout, stderr } = await run.ended;
    expect(signal).toBe("SIGTERM");
    expect(stderr).toContain(
      "The expression did not end with the lines after line 1, which are not counted.",
    );
    expect(stdout).toMatch(/^1 line counted|^1 of 1 line/);
    expect(await server.values("aaa")).toEqual([1n]);
  });

  it("counts what an expression finds, from files cut anywhere", async () => {
    const server = await running();
    const [first, second] = [join(folder(), "first"), join(folder(), "second")];
    const lines = Array.from({ length: 60_000 }, (_, i) => `GET /${i} user=u${i % 7} ok`);
    writeFileSync(first, `${lines.join("\n")}\n\nnone\nuser=\nuser=last`);
    writeFileSync(second, `${"x".repeat(2 ** 20 + 1)}\nuser=last\n`);
    const run = tally(["count", "--regex", "user=(\\w*)", "-o", "json", first, second], server.env);
    const { code, stdout } = await run.ended;
    expect(JSON.parse(stdout)).toMatchObject({
      complete: true,
      lines: 60_006,
      counted: 60_002,
      skipped: { empty: 2, unmatched: 1 },
      refused: { LINE_TOO_LONG: 1 },
    });
    expect(code).toBe(4);
    expect(await server.values("u0", "u6", "last")).toEqual([8_572n, 8_571n, 2n]);
  });

  it("a server that is killed and comes back has every line once", async () => {
    const server = await restartable();
    const run = tally(["count", "--server", server.address, "-o", "json"], { stdin: "pipe" });
    const lines = Array.from({ length: 30_000 }, (_, i) => `name-${i % 1_000}\n`).join("");
    run.child.stdin!.write(lines);
    await server.has("name-0", 30n);
    await server.kill();
    run.child.stdin!.write(lines);
    await run.told("trying again");
    await server.start();
    run.child.stdin!.end("last\n");
    const { code, stdout, stderr } = await run.ended;
    expect(JSON.parse(stdout)).toMatchObject({ complete: true, lines: 60_001, counted: 60_001 });
    expect(stderr).toMatch(/trying again, for 60 s at most\.\nThe server answers again\.\n$/);
    expect(code).toBe(0);
    expect(await server.client.call(RPC.sumCounters, {})).toMatchObject({
      count: 1_001n,
      sum: "60001",
      lowest: 1n, // The last.
      highest: 60n, // So that all the others have just that.
    });
  });

  it("gives up on a server that stays away, and says what is certain", async () => {
    const server = await restartable();
    const run = tally(["count", "--server", server.address, "--timeout", "1s", "-o", "json"], {
      stdin: "pipe",
    });
    run.child.stdin!.write("a\na\n");
    await server.has("a", 2n);
    await server.kill();
    run.child.stdin!.write("b\n");
    const { code, stdout, stderr } = await run.ended; // Although its input goes on.
    const { complete, counted, unknown, notSent } = JSON.parse(stdout);
    expect({ complete, counted, rest: unknown + notSent }).toEqual({ complete: false, counted: 2, rest: 1 });
    expect(stderr).toMatch(/tally: Gave up on .*: .*\. Of what was read, 2 lines are counted, 1 w.*\.\n$/);
    expect(code).toBe(69);
  });

  it("counts everything also when nobody reads its summary", async () => {
    const server = await running();
    const run = tally(["count"], server.piped);
    run.child.stdout!.destroy();
    run.child.stdin!.end("a\nb\na\n");
    expect((await run.ended).code).toBe(141);
    expect(await server.values("a", "b")).toEqual([2n, 1n]);
  });

  it("on a terminal, shows how far it is, and leaves only the summary", async () => {
    const server = await running();
    const file = join(folder(), "lines");
    writeFileSync(file, "a\n".repeat(1000));
    const seen = join(folder(), "seen"); // Until it is there, the lines do not end.
    const lines = `(cat ${file}; until [ -e ${seen} ]; do sleep 0.05; done)`;
    const command = `${lines} | "${process.execPath}" ${TALLY} count`;
    const terminal = new Tally("script", ["-qec", command, "/dev/null"], server.env);
    let shown = "";
    terminal.child.stdout!.on("data", (chunk: Buffer) => {
      shown += chunk;
      if (shown.includes("1,000 lines ")) writeFileSync(seen, "");
    });
    const { code, stdout } = await terminal.ended;
    expect(stdout).toMatch(/1,000 lines {2}[\d,]+ lines\/s {2}~\d+ names/);
    expect(stdout.slice(stdout.lastIndexOf("\x1b[J") + 3)).toMatch(
      /^1,000 of 1,000 lines counted; .*\.\r?\n$/,
    );
    expect(code).toBe(0);
  });
});
