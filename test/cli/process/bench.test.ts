/** `tally bench` as people run it. */
import { describe, expect, it } from "vitest";
import { RPC } from "../../../src/client/client.ts";
import { restartable, running } from "./server.ts";
import { tally } from "./tally.ts";

const SHORT = ["--duration", "300ms", "-o", "json"];

describe("tally bench", () => {
  it("says what was answered, and leaves the counters under a prefix of the run's own", async () => {
    const server = await running();
    const { code, stdout, stderr } = await tally(["bench", "--names", "1", ...SHORT], server.env).ended;
    const result = JSON.parse(stdout);
    expect(result.errors).toEqual({});
    expect(result.increments).toBeGreaterThan(0);
    expect(result.calls).toBe(result.increments);
    const { p50, p99, p999 } = result.milliseconds;
    expect([p50, p99, p999]).toEqual([p50, p99, p999].toSorted((a, b) => a - b));
    expect(stderr).toMatch(/^The server shares this machine/);
    const [, prefix] = /left under (bench:[0-9a-f]{12}:) /.exec(stderr)!;
    const [value] = await server.values(`${prefix}0`);
    expect(Number(value)).toBeGreaterThanOrEqual(result.increments); // It was warmed up before.
    expect(code).toBe(0);
  });

  it("deletes what it made, and nothing else", async () => {
    const server = await running();
    await server.client.call(RPC.increment, { name: "bench:mine" });
    const args = ["bench", "--batch", "50", "--names", "200", "--connections", "2", "--cleanup", ...SHORT];
    const { code, stdout } = await tally(args, server.env).ended;
    const { increments, calls } = JSON.parse(stdout);
    expect(increments).toBe(50 * calls);
    expect(code).toBe(0);
    const { counters } = await server.client.call(RPC.listCounters, {});
    expect(counters.map(({ name }) => name)).toEqual(["bench:mine"]);
  });

  it("counts the errors by their reason, and exits with 1", async () => {
    const server = await restartable();
    const run = tally(["bench", "--duration", "2s", "-o", "json", "--server", server.address]);
    await run.told("shares this machine");
    await server.kill();
    const { code, stdout, stderr } = await run.ended;
    expect(JSON.parse(stdout).errors.UNAVAILABLE).toBeGreaterThan(0);
    expect(stderr).toMatch(/tally: [\d,]+ errors; the result says of what kind\.\n$/);
    expect(code).toBe(1);
  });

  it("Ctrl-C: gives the result so far, deletes if asked, and ends of the signal", async () => {
    const server = await running();
    const args = ["bench", "--duration", "1h", "--names", "3", "--cleanup", "-o", "json"];
    const run = tally(args, server.env);
    await run.told("shares this machine");
    run.child.kill("SIGINT");
    const { signal, stdout } = await run.ended;
    expect(JSON.parse(stdout).seconds).toBeLessThan(60);
    expect(signal).toBe("SIGINT");
    expect((await server.client.call(RPC.listCounters, {})).counters).toEqual([]);
  });

  it.each([
    [["--batch", "8001"], "Expected a whole number from 1 to 8000"],
    [["--concurrency", "0"], "Expected a whole number from 1"],
    [["--prefix", "x".repeat(190)], "--prefix is too long"],
  ])("refuses %j", async (args, why) => {
    const { code, stderr } = await tally(["bench", ...args]).ended;
    expect(stderr).toContain(why);
    expect(code).toBe(2);
  });
});
