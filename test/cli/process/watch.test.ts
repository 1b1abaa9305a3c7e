/** `tally watch` as people run it. */
import { describe, expect, it } from "vitest";
import { RPC } from "../../../src/client/client.ts";
import { TALLY } from "../../support/bundles/command.ts";
import { restartable, running } from "./server.ts";
import { Tally, tally } from "./tally.ts";

const OFTEN = ["--interval", "20ms"];

describe("tally watch", () => {
  it("prints a line for each change, also of a counter that is not there yet, until Ctrl-C", async () => {
    const server = await running();
    const { client } = server;
    await client.call(RPC.increment, { name: "a", amount: 5n });
    const run = tally(["watch", "a", "b", "a", ...OFTEN], server.env);
    await run.printed("b  no such counter yet");
    await client.call(RPC.increment, { name: "a", amount: 2n });
    await run.printed("a  7  +2");
    await client.call(RPC.increment, { name: "b" });
    await run.printed("b  1");
    await client.call(RPC.decrement, { name: "a", amount: 4n });
    await run.printed("a  3  -4");
    await client.call(RPC.deleteCounter, { name: "b" });
    await run.printed("b  no such counter yet\n");
    run.child.kill("SIGINT");
    const { signal, stdout, stderr } = await run.ended;
    expect(
      stdout
        .replace(/^\S+Z /gm, "")
        .split("\n")
        .slice(0, 5),
    ).toEqual([" a  5", " b  no such counter yet", " a  7  +2", " b  1", " a  3  -4"]);
    expect(stderr).toBe("");
    expect(signal).toBe("SIGINT"); // Which a shell shows as 130.
  });

  it("prints an object a line for scripts, exact to the last digit", async () => {
    const server = await running();
    const huge = 2n ** 63n - 2n;
    await server.client.call(RPC.createCounter, { name: "huge", value: huge });
    const run = tally(["watch", "huge", "none", "-o", "json", ...OFTEN], server.env);
    await run.printed("none");
    await server.client.call(RPC.increment, { name: "huge" });
    await run.printed(`"${huge + 1n}"`);
    run.child.kill("SIGTERM");
    const { signal, stdout } = await run.ended;
    const [first, second, third] = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(first).toMatchObject({ name: "huge", value: `${huge}`, change: "0", perSecond: null });
    expect(second).toMatchObject({ name: "none", value: null, reason: "COUNTER_NOT_FOUND" });
    expect(third).toMatchObject({ name: "huge", value: `${huge + 1n}`, change: "1" });
    expect(third.perSecond).toBeGreaterThan(0);
    expect(signal).toBe("SIGTERM");
  });

  it("goes on when the server comes back", async () => {
    const server = await restartable();
    await server.client.call(RPC.increment, { name: "a" });
    const run = tally(["watch", "a", "--server", server.address, ...OFTEN]);
    await run.printed("a  1");
    await server.kill();
    await run.told("trying again");
    await server.start();
    await run.told("The server answers again.");
    await server.client.call(RPC.increment, { name: "a", amount: 41n });
    await run.printed("a  42  +41");
    run.child.kill("SIGINT");
    expect((await run.ended).stderr).toMatch(
      /^No answer from [^\n]*trying again\.\nThe server answers again\.\n$/,
    );
  });

  it("ends at once when there is no server, or a name is none", async () => {
    const { code, stderr } = await tally(["watch", "a", "--server", "127.0.0.1:1"]).ended;
    expect(stderr).toContain("nothing listens there");
    expect(code).toBe(69);
    const server = await running();
    expect(await tally(["watch", "a b"], server.env).ended).toMatchObject({ code: 2, stdout: "" });
  });

  it("ends when nobody reads it any more", async () => {
    const server = await running();
    const run = tally(["watch", "a", ...OFTEN], server.env);
    await run.printed("no such counter");
    run.child.stdout!.destroy();
    await server.client.call(RPC.increment, { name: "a" });
    expect((await run.ended).code).toBe(141);
  });

  it("on a terminal, draws a line a counter in place", async () => {
    const server = await running();
    await server.client.call(RPC.increment, { name: "visits" });
    const command = `"${process.execPath}" ${TALLY} watch visits orders --interval 20ms`;
    const run = new Tally("script", ["-qec", command, "/dev/null"], { ...server.env, stdin: "pipe" });
    await run.printed("orders  no such counter yet");
    await server.client.call(RPC.increment, { name: "visits", amount: 500n });
    await run.printed("\u2588"); // The highest bar of a sparkline.
    run.child.stdin!.write("\x03"); // Ctrl-C, as a terminal knows it.
    const { code, stdout } = await run.ended;
    expect(stdout).toMatch(/visits +501 +\+[\d,.]+\/s {2}\u2581*\u2588/);
    expect(stdout).toContain("\x1b[1A"); // Up again, to draw over what was there.
    expect(code).toBe(130);
  });
});
