import type { Command, Option } from "commander";

/**
 * Have a command, and those below it, refuse an option in the place of another one's value: commander takes `--prefix
 * --dry-run` for a prefix, and then runs what was only to be tried out. To mean such a value: `--note=--so`.
 */
export function refuseOptionsAsValues(command: Command): void {
  const parse = command.parseOptions.bind(command);
  command.parseOptions = (words) => {
    refuseIn(words, command);
    return parse(words);
  };
  for (const below of command.commands) refuseOptionsAsValues(below);
}

function refuseIn(words: readonly string[], command: Command): void {
  for (let at = 0; at < words.length && words[at] !== "--"; at++) {
    const option = waitingFor(words[at]!, command.options);
    if (option === undefined) continue;
    const value = words[++at];
    if (value === undefined || !isOption(value, command.options)) continue;
    const flag = option.long!;
    command.error(
      `error: ${flag} needs a value, and ${value} is an option; a value that begins so is given as ${flag}=${value}`,
      { code: "tally.optionAsValue" },
    );
  }
}

/** Whether a word is one of some options, or several short ones, with a value in it or without. */
export function isOptionOf(word: string, options: readonly Flags[]): boolean {
  if (!word.startsWith("--"))
    return options.some(({ short }) => short !== undefined && word.startsWith(short));
  const [flag] = word.split("=", 1);
  return options.some(({ long }) => long === flag);
}

/** The option that takes the next word as its value; undefined when a word is none, or has its value in it. */
export function waitingFor<Of extends Flags>(word: string, options: readonly Of[]): Of | undefined {
  if (word.startsWith("--")) return options.find(({ long, required }) => required && long === word);
  for (let at = 1; word.startsWith("-") && at < word.length; at++) {
    const option = options.find(({ short }) => short === `-${word[at]}`);
    if (option === undefined) return undefined;
    if (option.required) return at === word.length - 1 ? option : undefined;
  }
  return undefined;
}

/** What is asked of an option. */
export type Flags = Pick<Option, "long" | "short" | "required">;

/** "-" is standard input, and "-5" a number. */
function isOption(word: string, options: readonly Option[]): boolean {
  return (
    /^--([A-Za-z]|$)|^-[A-Za-z]$/.test(word) ||
    options.some(({ short }) => short !== undefined && short === word.slice(0, 2))
  );
}
