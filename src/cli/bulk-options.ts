import type { Command } from "commander";
import { CommandError, EXIT } from "./exit.ts";
import { type Labels, labelOption } from "./requests.ts";

/** What a command that takes names takes as well, for many counters at once. */
export interface BulkOptions {
  readonly prefix?: string;
  readonly label?: Labels;
  readonly all?: true;
  readonly after?: string;
  readonly dryRun?: true;
  readonly yes?: true;
  /** See onServer. */
  readonly timeout: number;
}

/** Which counters are meant, and how. */
export interface BulkRequest {
  readonly prefix: string;
  readonly labels: Labels;
  readonly all: boolean;
  readonly after: string;
  readonly dryRun: boolean;
}

/** Give a command these options. */
export function bulkOptions(command: Command): void {
  command
    .option("--prefix <prefix>", "all counters whose names begin so, after a question")
    .addOption(labelOption("all counters with this label; of a prefix, those"))
    .option("--all", "all counters that there are")
    .option("--after <name>", "of these, those whose names come after this one")
    .option("--dry-run", "of these, tell how many they are, and change nothing");
}

/**
 * What is asked for, where many counters are meant; undefined where they are named.
 *
 * @param forNames  options that go with names alone
 * @throws CommandError  when both are meant, or nothing is
 */
export function bulkRequest(
  names: readonly string[],
  { prefix, label, all, after, dryRun }: BulkOptions,
  forNames: Readonly<Record<string, unknown>>,
): BulkRequest | undefined {
  const many = prefix !== undefined || label !== undefined || all !== undefined;
  if (!many) {
    if (names.length === 0) throw usage("Name the counters, or give --prefix, --label or --all.");
    if (after !== undefined || dryRun)
      throw usage("--after and --dry-run go with --prefix, --label or --all.");
    return undefined;
  }
  if (names.length > 0)
    throw usage(`Name counters, or give --prefix, --label or --all, and not both (${names[0]}).`);
  const one = Object.keys(forNames).find((option) => forNames[option] !== undefined);
  if (one !== undefined) throw usage(`${one} goes with names, and not with --prefix, --label or --all.`);
  if (prefix === "" && label === undefined && !all)
    throw usage("An empty --prefix is all counters; say --all.");
  return {
    prefix: prefix ?? "",
    labels: label ?? {},
    all: all ?? false,
    after: after ?? "",
    dryRun: dryRun ?? false,
  };
}

function usage(sentence: string): CommandError {
  return new CommandError(EXIT.USAGE, sentence);
}
