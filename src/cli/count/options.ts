import { type Command, InvalidArgumentError, Option } from "commander";
import { LineReader, type LineSink, type Pick, type Reader } from "./lines.ts";
import { faultOfPrefix } from "./name.ts";
import { field, jsonField, wholeLine } from "./picks.ts";
import { RegexReader } from "./regex-reader.ts";

/** The options that say what of a line is the name. */
export interface NameOptions {
  readonly prefix: string;
  readonly field?: Pick;
  /** An expression that can be compiled. */
  readonly regex?: string;
  readonly jsonField?: Pick;
}

/**
 * What reads the names.
 *
 * @param stop  aborted when somebody wants an end
 * @param tell  says something to the one who waits
 */
export function readerOf(
  options: NameOptions,
  sink: LineSink,
  stop: AbortSignal,
  tell: (sentence: string) => void,
): Reader {
  const { regex } = options;
  if (regex === undefined) return new LineReader(options.field ?? options.jsonField ?? wholeLine, sink);
  return new RegexReader(regex, sink, stop, (afterLine) =>
    tell(
      `The expression has been busy for seconds with lines after line ${afterLine.toLocaleString("en")}; it may ` +
        "never end with one of them. Ctrl-C stops without those, after some seconds; twice, at once.",
    ),
  );
}

/** Give a command the options that say which part of a line is the name of its counter. */
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

function regexOf(text: string): string {
  try {
    new RegExp(text, "u");
    return text;
  } catch (error) {
    throw new InvalidArgumentError(
      `Expected a JavaScript expression with the flag u: ${(error as Error).message}.`,
    );
  }
}
