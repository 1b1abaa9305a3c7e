/**
 * The Tab key, in the shells themselves: what they offer, and that no counter's name is ever evaluated. At a
 * pseudo-terminal a shell is typed at; there a completed line shows itself by what it does.
 */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { COMPLETION_SCRIPTS } from "../../src/cli/completion-scripts.ts";
import { TALLY } from "../support/bundles/command.ts";
import { describeWith, program } from "../support/needs.ts";
import { folder, serverForTests, tally } from "./cli.ts";
import { openTerminal, SCRIPT } from "./terminal.ts";

const server = serverForTests();
const at = (...args: string[]) => tally(args, { env: { TALLY_SERVER: server.address } });

describe("the candidates", () => {
  it.each([
    [["ge"], "get\tread counters\n"],
    [["help", "rese"], "reset\ttake counters back to their initial value\n"],
    [["get", "-o", "j"], "json\t\n"],
    [["inc", "visits", "--req"], /^--request-id\tdo it once under this id/],
    [["config", "us"], "use\ttalk to this server from now on\n"],
    [["policy", "--server", "h:1", "-o", "js"], "json\t\n"],
    [["--server", "h:1", "auth", "--quiet", "princ"], "principal\twho may call, and what they may do\n"],
    [["auth", "--timeout", "5s", "principal", "--grant", "x", "upd"], /^update\t/],
    [["completion", ""], "bash\t\nzsh\t\nfish\t\n"],
    [["nonsense", ""], ""],
    [["inc", "visits", "--request-id", ""], ""],
    [["set", "visits", ""], ""],
    [["create", "x", "--window", "m"], "month\t\n"],
    [["update", "x", "--window", "day", "--zone", "Europe/Berl"], "Europe/Berlin\t\n"],
    [["update", "x", "--no-w"], "--no-window\tno window\n"],
  ])("for %j", async (words, expected) => {
    const { code, stdout, stderr } = await at("complete", "--", ...words);
    if (typeof expected === "string") expect(stdout).toBe(expected);
    else expect(stdout).toMatch(expected);
    expect([code, stderr]).toEqual([0, ""]);
  });

  it("are live counters with their values, for names and prefixes", async () => {
    await at("set", "live:one", "1");
    await at("set", "live:two", "2");
    const both = "live:one\t1\nlive:two\t2\n";
    expect((await at("complete", "--", "get", "live:")).stdout).toBe(both);
    expect((await at("complete", "--", "list", "live:")).stdout).toBe(both);
    expect((await at("complete", "--", "reset", "live:one", "live:t")).stdout).toBe("live:two\t2\n");
    const elsewhere = await tally(["complete", "--", "get", "--server", server.address, "live:o"]);
    expect(elsewhere.stdout).toBe("live:one\t1\n");
  });

  it("are contexts, where one is wanted", async () => {
    const env = { XDG_CONFIG_HOME: folder() };
    await tally(["config", "set", "prod", "h:1"], { env });
    for (const words of [
      ["config", "use", ""],
      ["get", "--context", "p"],
    ])
      expect((await tally(["complete", "--", ...words], { env })).stdout).toBe("prod\th:1\n");
  });

  it("are none, and nobody is told, when the server is away or the configuration broken", async () => {
    const quiet = { code: 0, signal: null, stdout: "", stderr: "" };
    expect(await tally(["complete", "--", "get", ""], { env: { TALLY_SERVER: "127.0.0.1:1" } })).toEqual(
      quiet,
    );
    expect(await tally(["complete", "--", "get", ""], { env: { TALLY_SERVER: "no server" } })).toEqual(quiet);
  });
});

const EVIL = [
  "$(touch evil-1)",
  "`touch evil-2`",
  "a;touch evil-3",
  "it's",
  'say"',
  "x&y?z=*",
  "#1",
  "~root",
].map((name) => name.replaceAll(" ", "$" + "{IFS}"));

for (const shell of ["bash", "zsh", "fish"] as const) {
  describeWith([SCRIPT, program(shell)], `in ${shell}, at a terminal`, () => {
    it("a name is completed, its colons and equals signs included", async () => {
      await at("set", "page:/cart?x=1", "7654321");
      await at("set", "other", "7");
      const terminal = await openShell(shell);
      terminal.type("tally get page:/c\t\r");
      await terminal.shows(/\D7654321\r/);
    });

    it("a command is completed, and its option", async () => {
      const terminal = await openShell(shell);
      await at("set", "visits", "7");
      terminal.type("tally compl\t");
      await terminal.shows(/completion/);
      terminal.type("fi\t");
      await terminal.shows(/fish/);
    });

    it("a name is never evaluated, and comes out as it is", async () => {
      for (const [i, name] of EVIL.entries()) await at("set", `evil${i}:${name}`, `${7_000_000 + i}`);
      const terminal = await openShell(shell);
      for (const i of EVIL.keys()) {
        terminal.type(`tally get evil${i}:\t\r`);
        await terminal.shows(new RegExp(`\\D${7_000_000 + i}\\r`));
      }
      for (const i of [1, 2, 3]) expect(existsSync(join(terminal.home, `evil-${i}`))).toBe(false);
    });
  });
}

/** A shell with nothing but the completion of tally, in a home of its own. */
async function openShell(shell: "bash" | "zsh" | "fish") {
  const home = folder();
  mkdirSync(join(home, "bin"));
  writeFileSync(join(home, "bin/tally"), `#!/bin/sh\nexec "${process.execPath}" "${TALLY}" "$@"\n`);
  chmodSync(join(home, "bin/tally"), 0o755);
  writeFileSync(join(home, "completion"), COMPLETION_SCRIPTS[shell]);
  const start = {
    bash: ["bash", "--norc", "--noprofile", "-i"],
    zsh: ["zsh", "-f", "-i"],
    fish: ["fish", "--no-config", "-i"],
  }[shell];
  const env = {
    TALLY_SERVER: server.address,
    HOME: home,
    PATH: `${home}/bin:${process.env.PATH}`,
    PS1: "$ ",
  };
  const terminal = openTerminal(start, { env, cwd: home });
  const setUp = {
    bash: "source ~/completion",
    zsh: "autoload -U compinit && compinit -u -d ~/dump && source ~/completion",
    fish: "source ~/completion",
  }[shell];
  terminal.type(`${setUp}; echo rea""dy\r`);
  await terminal.shows(/ready\r/);
  return Object.assign(terminal, { home });
}
