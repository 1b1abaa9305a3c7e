/** Options may stand before, between and behind the words that name a command. */
import type { Command, Option } from "commander";
import { describe, expect, it } from "vitest";
import { COMMANDS, programFor } from "../../src/cli/main.ts";
import { optionsBehind } from "../../src/cli/options-between.ts";
import { commandFirst } from "../../src/cli/words.ts";

const GROUPS = ["auth", "config", "epoch", "migrate", "policy", "token"];

/** What commander is given for some words. */
async function given(...words: readonly string[]): Promise<readonly string[]> {
  const first = commandFirst(words);
  return optionsBehind(first, await programFor(first[0], { version: "" }));
}

function leavesOf(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leavesOf);
}

function pathOf(command: Command): string[] {
  return command.parent === null ? [] : [...pathOf(command.parent), command.name()];
}

/** As one may be typed. */
function waysOf({ long, short, required }: Option): string[][] {
  if (!required) return [[long!], ...(short === undefined ? [] : [[short]])];
  const ways = [[long!, "list"], [`${long}=list`]]; // A value that could be a command.
  return short === undefined ? ways : [...ways, [short, "list"], [`${short}list`]];
}

it("the commands that have others below them are these", async () => {
  const groups: string[] = [];
  for (const name of Object.keys(COMMANDS)) {
    const { commands } = await programFor(name, { version: "" });
    if (commands.find((each) => each.name() === name)!.commands.length > 0) groups.push(name);
  }
  expect(groups.sort()).toEqual(GROUPS);
});

describe.each(GROUPS)("tally %s", (name) => {
  it("takes every option of a command below it between the words, and those for a server before them", async () => {
    const program = await programFor(name, { version: "" });
    let before = 0;
    for (const leaf of leavesOf(program.commands.find((each) => each.name() === name)!)) {
      const path = pathOf(leaf);
      for (const option of leaf.options)
        for (const way of waysOf(option)) {
          const expected = [...path, ...way, "x"];
          for (let at = 1; at <= path.length; at++) {
            const words = [...path.slice(0, at), ...way, ...path.slice(at), "x"];
            expect(optionsBehind(words, program), words.join(" ")).toEqual(expected);
          }
          if (leaf.options.every(({ long }) => long !== "--server") || option.helpGroupHeading !== "Server:")
            continue;
          expect(await given(...way, ...path, "x")).toEqual(expected);
          before++;
        }
    }
    if (name === "policy" || name === "auth") expect(before).toBeGreaterThan(30);
  });
});

it.each([
  [
    ["-qojson", "--server", "h:1", "auth", "--timeout=5s", "key", "--context", "c", "list", "shop"],
    ["auth", "key", "list", "-qojson", "--server", "h:1", "--timeout=5s", "--context", "c", "shop"],
  ],
  [
    ["-o", "json", "-q", "get", "n"],
    ["get", "-o", "json", "-q", "n"],
  ],
  [
    ["-ojson", "get", "n"],
    ["get", "-ojson", "n"],
  ],
  // What is wrong is told as it is, not as an option.
  [["--server", "h:1", "policy"], ["policy"]],
  [
    ["--server", "h:1", "policy", "lst"],
    ["policy", "lst", "--server", "h:1"],
  ],
  [
    ["policy", "--server", "h:1", "--nope", "list"],
    ["policy", "--nope", "--server", "h:1", "list"],
  ],
  [
    ["policy", "--server", "h:1", "--help"],
    ["policy", "--help", "--server", "h:1"],
  ],
  [
    ["policy", "--server", "--quiet", "list"],
    ["policy", "list", "--server", "--quiet"],
  ],
  [
    ["policy", "--", "list"],
    ["policy", "--", "list"],
  ],
  [
    ["policy", "list", "--", "--server"],
    ["policy", "list", "--", "--server"],
  ],
  [["--version"], ["--version"]],
  [
    ["serv", "--listen", "x"],
    ["serv", "--listen", "x"],
  ],
  [[], []],
])("%j is %j", async (words, expected) => {
  expect(await given(...words)).toEqual(expected);
});
