import type { Command, Option } from "commander";
import { type Flags, isOptionOf, waitingFor } from "./option-values.ts";

/** The words of a command line, taken apart where options stand before the command that they are of. */
export interface Taken {
  /** The innermost command that is named. */
  readonly command: Command;
  /** Its name, behind those of the commands that it is below. */
  readonly path: readonly string[];
  /** What stands between those names: options, and their values. */
  readonly options: readonly string[];
  /** What stands behind its name. */
  readonly rest: readonly string[];
}

/**
 * Find the command that is meant in `--server HOST list`, which is `list --server HOST`.
 *
 * @param words  what stands behind the name of `outer`; begins with options of any command below it, perhaps
 */
export function takeApart(words: readonly string[], outer: Command): Taken {
  let command = outer;
  const path: string[] = [];
  const options: string[] = [];
  let at = 0;
  while (command.commands.length > 0) {
    const end = endOfOptions(words, optionsOf(command), at);
    options.push(...words.slice(at, end));
    at = end;
    const below = command.commands.find((each) => each.name() === words[at]);
    if (below === undefined) break;
    path.push(below.name());
    command = below;
    at++;
  }
  return { command, path, options, rest: words.slice(at) };
}

/** `policy --server HOST list` as commander wants it. @param words  the name of a command, and what stands behind it */
export function optionsBehind(words: readonly string[], program: Command): readonly string[] {
  const [name, ...behind] = words;
  const outer = program.commands.find((each) => each.name() === name);
  if (name === undefined || outer === undefined) return words;
  const { command, path, options, rest } = takeApart(behind, outer);
  if (command.commands.length === 0) return [name, ...path, ...options, ...rest];
  // No command: which is to be told, whatever the options are.
  return [name, ...path, ...(rest.length > 0 ? [rest[0]!, ...options, ...rest.slice(1)] : [])];
}

/** Where the first word stands that is neither one of some options nor the value of one. @param from  where to begin */
export function endOfOptions(words: readonly string[], options: readonly Flags[], from = 0): number {
  let at = from;
  while (at < words.length && isOptionOf(words[at]!, options))
    at += waitingFor(words[at]!, options) === undefined ? 1 : 2;
  return Math.min(at, words.length);
}

/** The options of a command, or of those below it. */
export function optionsOf(command: Command): readonly Option[] {
  const options = [...command.options, ...command.commands.flatMap(optionsOf)];
  return [...new Map(options.map((option) => [option.long, option])).values()];
}
