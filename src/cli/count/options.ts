import { type Command, InvalidArgumentError, Option } from "commander";
import type { Pick } from "./lines.ts";
import { faultOfPrefix } from "./name.ts";
import { field, jsonField, regex, wholeLine } from "./picks.ts";

/** The options that say what of a line is the name. */
export interface NameOptions {
  readonly prefix: string;
  readonly field?: Pick;
  readonly regex?: Pick;
  readonly jsonField?: Pick;
}

/** What of a line is the name. */
export function pickOf(options: NameOptions): Pick {
  return options.field ?? options.regex ?? options.jsonField ?? wholeLine;
}

export function addNameOptions(command: Command): void {
  command
    .option("--prefix <prefix>", "text before every name", prefixOf, "")
    .addOption(
      new Option("--field <n>", "the name is this field, as awk's $n: fields stand between spaces and tabs")
        .argParser(fieldOf)
        .conflicts(["regex", "jsonField"]),
    )
    .addOption(
      new Option(
        "--regex <re>",
        "the name is the first group of this JavaScript expression, or else the match",
      )
        .argParser(regexOf)
        .conflicts(["field", "jsonField"]),
    )
    .addOption(
      new Option("--json-field <a.b>", "each line is JSON, and the name is what is at this path")
        .argParser((path) => jsonField(path.split(".")))
        .conflicts(["field", "regex"]),
    );
}

/** A prefix of names, as it is written. @throws InvalidArgumentError */
export function prefixOf(prefix: string): string {
  const fault = faultOfPrefix(prefix);
  if (fault !== undefined) throw new InvalidArgumentError(`${fault}.`);
  return prefix;
}

function fieldOf(text: string): Pick {
  const n = Number(text);
  if (!/^\d{1,9}$/.test(text) || n < 1)
    throw new InvalidArgumentError("Expected the number of a field, from 1.");
  return field(n);
}

function regexOf(text: string): Pick {
  try {
    return regex(new RegExp(text, "u"));
  } catch (error) {
    throw new InvalidArgumentError(
      `Expected a JavaScript expression with the flag u: ${(error as Error).message}.`,
    );
  }
}
