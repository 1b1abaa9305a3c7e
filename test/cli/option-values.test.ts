/** An option is never taken for the value of another one: `--prefix --dry-run` would delete what was to be counted. */
import { type Command, CommanderError } from "commander";
import { describe, expect, it } from "vitest";
import { COMMANDS, programFor } from "../../src/cli/main.ts";

/** What commander makes of some words, without doing it: why they are refused; undefined when they are not. */
async function refusalOf(...words: readonly string[]): Promise<string | undefined> {
  const program = await programFor(words[0], { version: "" });
  let said = "";
  for (const each of everyCommand(program)) {
    each.configureOutput({
      writeErr: (text) => {
        said += text;
      },
    });
    each.action(() => {});
  }
  try {
    await program.parseAsync([...words], { from: "user" });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return said;
  }
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

/** The words that name a command, below the program. */
function pathOf(command: Command): string[] {
  return command.parent === null ? [] : [...pathOf(command.parent), command.name()];
}

describe.each(Object.keys(COMMANDS))("tally %s", (name) => {
  it("refuses an option where one of its own waits for a value", async () => {
    const program = await programFor(name, { version: "" });
    const command = program.commands.find((each) => each.name() === name)!;
    let tried = 0;
    for (const each of everyCommand(command)) {
      for (const { long, short } of each.options.filter((option) => option.required)) {
        for (const flag of [long!, ...(short === undefined ? [] : [short])])
          for (const value of ["--dry-run", "--no-such", "-h", "--"]) {
            const refusal = await refusalOf(...pathOf(each), flag, value);
            expect(refusal, `${pathOf(each).join(" ")} ${flag} ${value}`).toContain(
              `${long} needs a value, and ${value} is an option`,
            );
            tried++;
          }
      }
    }
    if (["delete", "serve", "auth", "import"].includes(name)) expect(tried).toBeGreaterThan(20);
  });
});

it.each([
  [
    ["delete", "--yes", "--prefix", "--dry-run"],
    /^tally: --prefix needs a value, .*--prefix=--dry-run\. For all/,
  ],
  [["delete", "-yo", "--dry-run"], /--output needs a value/],
  [["list", "-o", "-q"], /--output needs a value, and -q is an option/],
  [["list", "-o", "-ojson"], /--output needs a value, and -ojson is an option/],
  [["auth", "principal", "update", "a", "--grant", "--rate"], /--grant needs a value/],
])("%j is refused", async (words, said) => {
  expect(await refusalOf(...words)).toMatch(said);
});

it.each([
  [["create", "a", "--min", "-5", "--max=-1"]],
  [["create", "a", "--description", "- a dash"]],
  [["create", "a", "--description=--so"]],
  [["backup", "--to", "-"]],
  [["get", "--api-key-file", "-", "a"]],
  [["list", "-ojson", "a"]],
  [["delete", "a", "--", "--prefix", "--dry-run"]],
])("%j is not", async (words) => {
  expect(await refusalOf(...words)).toBeUndefined();
});
