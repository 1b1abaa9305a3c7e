/** At a terminal: a question before what destroys, Ctrl-C, and colours. */
import { describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { TALLY } from "../support/bundles/command.ts";
import { describeWith } from "../support/needs.ts";
import { serverForTests, silentServer, tally } from "./cli.ts";
import { openTerminal, SCRIPT } from "./terminal.ts";

const server = serverForTests();
const at = (...args: string[]) => tally(args, { env: { TALLY_SERVER: server.address } });

describeWith([SCRIPT], "at a terminal", () => {
  const QUESTION = "Type its name to go on: ";

  it("delete asks for the name, and deletes what was named", async () => {
    await at("set", "visits", "7");
    const terminal = open(["delete", "visits"]);
    await terminal.shows(QUESTION);
    expect(terminal.screen).toBe(
      `This deletes visits, now at 7, for good; its history goes too. ${QUESTION}`,
    );
    terminal.type("visits\n");
    expect(await terminal.ended).toBe(EXIT.OK);
    expect(terminal.screen).toMatch(/visits\r\n7\r\n$/); // What was typed, then the last value.
    expect(await at("get", "visits")).toMatchObject({ code: EXIT.NOT_FOUND });
  });

  it.each([
    ["another name", "visit\n", EXIT.FAILURE],
    ["nothing", "\n", EXIT.FAILURE],
    ["Ctrl-D", "\x04", EXIT.FAILURE],
    ["Ctrl-C", "\x03", EXIT.INTERRUPTED],
  ])("delete deletes nothing for %s", async (_, typed, code) => {
    await at("set", "kept", "7");
    const terminal = open(["delete", "kept"]);
    await terminal.shows(QUESTION);
    terminal.type(typed);
    expect(await terminal.ended).toBe(code);
    if (code === EXIT.FAILURE)
      expect(terminal.screen).toContain("That is not its name; kept is not deleted.");
    expect(await at("get", "kept")).toMatchObject({ stdout: "7\n" });
  });

  it("delete asks nothing with --yes", async () => {
    await at("set", "sure", "1");
    const terminal = open(["delete", "sure", "--yes"]);
    expect(await terminal.ended).toBe(EXIT.OK);
    expect(terminal.screen).toBe("1\r\n");
  });

  it("count says how to end what one types, and draws nothing into it", async () => {
    const terminal = open(["count", "--prefix", "typed:"]);
    await terminal.shows("Type names, one a line; Ctrl-D ends.\r\n");
    terminal.type("a\nb\na\n\x04");
    expect(await terminal.ended).toBe(EXIT.OK);
    expect(terminal.screen).toMatch(/a\r\nb\r\na\r\n3 of 3 lines counted; .*\r\n$/);
    expect(terminal.screen).not.toContain("\x1b[");
    expect(await at("get", "typed:a", "typed:b")).toMatchObject({ stdout: "2\n1\n" });
  });

  it("Ctrl-C ends a change with 130, and says that it may have been made", async () => {
    const { address, called } = await silentServer();
    const terminal = open(["inc", "visits", "--server", address, "--request-id", "a-3"]);
    await called;
    terminal.type("\x03");
    expect(await terminal.ended).toBe(EXIT.INTERRUPTED);
    expect(terminal.screen).toContain("Run it again with --request-id a-3: it counts once.");
  });

  it("a list is the first 50, cut to the terminal's width with the ends of long names", async () => {
    const names = Array.from(
      { length: 60 },
      (_, i) => `narrow:${"x".repeat(150)}:${String(i).padStart(2, "0")}`,
    );
    await tally(["count", "-q"], { input: `${names.join("\n")}\n`, env: { TALLY_SERVER: server.address } });
    const terminal = open(["list", "narrow:"], {}, 90);
    expect(await terminal.ended).toBe(EXIT.OK);
    const lines = terminal.screen.split("\r\n").slice(1, 51);
    for (const [i, line] of lines.entries()) {
      expect(line.length).toBeLessThanOrEqual(90);
      expect(line).toMatch(new RegExp(`^narrow:x+…x+:${String(i).padStart(2, "0")} +1 +- +- +\\d{4}-`));
    }
    expect(terminal.screen).toContain("There are more: --limit N lists N of them, --all lists all.");
  });

  it("headings stand out, and so does the name before an error; with NO_COLOR they do not", async () => {
    const missing = "There is no counter nobody.";
    await at("set", "shown", "1");
    const plain = open(["get", "shown", "nobody", "-o", "table"], { NO_COLOR: "1" });
    await plain.ended;
    expect(plain.screen).not.toContain("\x1b[");
    expect(plain.screen).toContain(missing);
    const coloured = open(["get", "shown", "-o", "table"]);
    await coloured.ended;
    expect(coloured.screen).toContain("\x1b[1mname         \x1b[22m  shown\r\n");
    const failing = open(["get", "nobody"]);
    await failing.ended;
    expect(failing.screen).toContain(`\x1b[31mtally:\x1b[39m ${missing}`);
  });
});

describe("elsewhere than at a terminal", () => {
  it("delete wants --yes, and deletes nothing without", async () => {
    await at("set", "piped", "1");
    expect(await at("delete", "piped")).toEqual({
      code: EXIT.USAGE,
      signal: null,
      stdout: "",
      stderr: "tally: Nobody is there to confirm it; delete without a question with --yes.\n",
    });
    expect(await at("get", "piped")).toMatchObject({ stdout: "1\n" });
  });

  it("nothing is coloured, unless FORCE_COLOR asks for it", async () => {
    await at("set", "plain", "1");
    const args = ["get", "plain", "-o", "table"];
    const env = { TALLY_SERVER: server.address };
    expect((await tally(args, { env })).stdout).not.toContain("\x1b[");
    const forced = await tally(args, { env: { ...env, FORCE_COLOR: "1" } });
    expect(forced.stdout).toContain("\x1b[1m");
  });
});

/** `tally ARGS` at a terminal. */
function open(args: readonly string[], env: NodeJS.ProcessEnv = {}, columns?: number) {
  return openTerminal([process.execPath, TALLY, ...args], {
    env: { TALLY_SERVER: server.address, ...env },
    ...(columns !== undefined && { columns }),
  });
}
