import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { withoutApiKeys, withoutSecrets } from "../core/secrets.ts";
import { CommandError, EXIT, report } from "./exit.ts";
import { refuseOptionsAsValues } from "./option-values.ts";
import { optionsBehind } from "./options-between.ts";
import { visible } from "./visible.ts";
import { commandFirst, otherWord } from "./words.ts";

/** Every command. Its file is loaded only if it is the one that was named, so that none pays for the others. */
export const COMMANDS: Readonly<Record<string, Listed>> = {
  inc: { group: "Count", about: "add to a counter", load: () => import("./inc.ts") },
  dec: { group: "Count", about: "subtract from a counter", load: () => import("./dec.ts") },
  set: { group: "Count", about: "set a counter to a value", load: () => import("./set.ts") },
  reset: {
    group: "Count",
    about: "take counters back to their initial value",
    load: () => import("./reset.ts"),
  },
  take: {
    group: "Count",
    about: "take from a limit, if there is room",
    load: () => import("./take.ts"),
  },
  "give-back": {
    group: "Count",
    about: "give back what was taken from a limit",
    load: () => import("./give-back.ts"),
  },
  count: {
    group: "Count",
    about: "count the lines of files or of standard input",
    load: () => import("./count.ts"),
  },
  get: { group: "Look", about: "read counters", load: () => import("./get.ts") },
  list: { group: "Look", about: "list counters by name", load: () => import("./list.ts") },
  top: { group: "Look", about: "rank counters by value", load: () => import("./top.ts") },
  sum: { group: "Look", about: "sum up counters", load: () => import("./sum.ts") },
  watch: { group: "Look", about: "watch counters move", load: () => import("./watch.ts") },
  history: {
    group: "Look",
    about: "what became of a counter, hour by hour",
    load: () => import("./history.ts"),
  },
  changes: {
    group: "Look",
    about: "who set, reset or changed a counter",
    load: () => import("./changes.ts"),
  },
  create: {
    group: "Manage",
    about: "make a counter, with bounds and labels",
    load: () => import("./create.ts"),
  },
  update: { group: "Manage", about: "change a counter's settings", load: () => import("./update.ts") },
  policy: {
    group: "Manage",
    about: "settings for all counters whose names begin so",
    load: () => import("./policy.ts"),
  },
  delete: { group: "Manage", about: "delete counters", load: () => import("./delete.ts") },
  export: {
    group: "Manage",
    about: "counters with their settings, into a file",
    load: () => import("./export.ts"),
  },
  import: {
    group: "Manage",
    about: "counters out of a file or a Redis, each once",
    load: () => import("./import.ts"),
  },
  serve: { group: "Serve", about: "serve counters over gRPC", load: () => import("./serve.ts") },
  copy: { group: "Serve", about: "take a whole store into another one", load: () => import("./copy.ts") },
  accept: {
    group: "Serve",
    about: "take what was changed by hand in a store as it stands",
    load: () => import("./accept.ts"),
  },
  migrate: {
    group: "Serve",
    about: "look at a store's schema, or bring it up to date",
    load: () => import("./migrate.ts"),
  },
  info: {
    group: "Serve",
    about: "what a server is, and what is wrong with it",
    load: () => import("./info.ts"),
  },
  backup: {
    group: "Serve",
    about: "back up a store, while it is served",
    load: () => import("./backup.ts"),
  },
  restore: { group: "Serve", about: "make a store of a backup", load: () => import("./restore.ts") },
  epoch: {
    group: "Serve",
    about: "after a store was restored by other means",
    load: () => import("./epoch.ts"),
  },
  verify: {
    group: "Serve",
    about: "look at everything that a store keeps, or a backup",
    load: () => import("./verify.ts"),
  },
  bench: { group: "Serve", about: "put a server under load", load: () => import("./bench.ts") },
  ping: { group: "Serve", about: "ask a server whether it serves", load: () => import("./ping.ts") },
  auth: {
    group: "Set up",
    about: "who may call, and do what: principals, keys",
    load: () => import("./auth.ts"),
  },
  token: {
    group: "Set up",
    about: "make a token that may less than an API key, for a page or a visitor",
    load: () => import("./token.ts"),
  },
  config: { group: "Set up", about: "name servers, and choose one", load: () => import("./config.ts") },
  completion: {
    group: "Set up",
    about: "print a script that completes words",
    load: () => import("./completion.ts"),
  },
};

interface Listed {
  /** Its heading in help. */
  readonly group: string;
  readonly about: string;
  load(): Promise<CommandFile>;
}

/** What the file of a command exports. */
export interface CommandFile {
  /** Give the command its arguments, options, help and action. */
  define(command: Command, program: Program): void;
}

/** What a command may know of the whole. */
export interface Program {
  readonly version: string;
}

/**
 * Run the `tally` command; exits the process, or leaves it serving.
 *
 * @param args         what stands after the program's name
 * @param packageRoot  the folder of package.json
 */
export async function main(args: readonly string[], packageRoot: string): Promise<void> {
  const { version } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8"));
  endWithOutput();
  const given = commandFirst(args);
  const words = given[0] === "help" ? helpOf(given.slice(1)) : given;
  const exit = await run(words, { version }).then(() => EXIT.OK, exitFor);
  await new Promise((resolve) => process.stdout.write("", resolve)); // For a failure of what was written before.
  process.exit(exit); // Everything is printed; an idle connection need not be waited for.
}

async function run(words: readonly string[], context: Program): Promise<void> {
  if (words[0] === "complete") {
    const { complete } = await import("./complete.ts");
    return complete(words.slice(words[1] === "--" ? 2 : 1), COMMANDS);
  }
  const meant = words[0] === undefined ? undefined : otherWord(words[0]);
  if (meant !== undefined)
    throw new CommandError(
      EXIT.USAGE,
      `There is no command ${words[0]}; type: ${meant}. ${whereHelpIs(undefined)}`,
    );
  const program = await programFor(words[0], context);
  await program.parseAsync(optionsBehind(words, program), { from: "user" });
}

/** `tally help inc` is `tally inc --help`. */
function helpOf(words: readonly string[]): readonly string[] {
  if (words[0] === "help") return ["--help"];
  return words.length === 0 || Object.hasOwn(COMMANDS, words[0]!) ? [...words, "--help"] : words;
}

/** Tell why, if nobody has yet, and how to exit. */
function exitFor(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.OK : EXIT.USAGE; // It has told why.
  if (error instanceof CommandError) {
    if (error.message !== "") report(error.message);
    return error.exit;
  }
  report("a defect in Tally, please report it:");
  const stack = error instanceof Error ? (error.stack ?? error.message) : `${error}`;
  process.stderr.write(`${stack.split("\n").map(visible).join("\n")}\n`);
  return EXIT.DEFECT;
}

function whereHelpIs(named: string | undefined): string {
  return named !== undefined && Object.hasOwn(COMMANDS, named)
    ? `For all that it can do: tally help ${named}`
    : "For the commands: tally help";
}

/** When nobody reads any more there is nothing left to do, and nobody to tell. */
function endWithOutput(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT.PIPE_CLOSED);
    report(`The output cannot be written: ${error.message}.`);
    process.exit(EXIT.STORE_FAILED);
  });
  process.stderr.on("error", () => {});
}

/** The command that is named, with its options, arguments and action; all that there are where none of them is. */
export async function programFor(named: string | undefined, context: Program): Promise<Command> {
  const program = new Command("tally")
    .description("Counts things: durable, exact, exactly-once counters over gRPC.")
    .usage("COMMAND ...")
    .version(context.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help; `tally help COMMAND` prints that of a command")
    .helpCommand(false)
    .addHelpText("before", EXAMPLES)
    .configureOutput({ outputError: (text, write) => write(oneSentence(text, named)) })
    .configureHelp({ showGlobalOptions: false })
    .exitOverride();
  const isOne = named !== undefined && Object.hasOwn(COMMANDS, named);
  for (const [name, { group, about, load }] of Object.entries(
    isOne ? { [named]: COMMANDS[named]! } : COMMANDS,
  )) {
    const command = program.command(name).summary(about).description(about).helpGroup(`${group}:`);
    command.copyInheritedSettings(program).exitOverride();
    if (!isOne) continue;
    (await load()).define(command, context);
    refuseOptionsAsValues(command);
  }
  return program;
}

/**
 * Commander's "error: unknown option '--lisen'", with its guess on a second line, as all of our messages read; and
 * "command-argument value '0' is invalid for argument 'amount'" as people would say it.
 */
function oneSentence(text: string, named: string | undefined): string {
  const sentence = text
    .replace(/^error: /, "tally: ")
    .replaceAll(/\S*(?:@|%40|\/\/|pass\w*=)\S*/gi, withoutSecrets) // What was typed wrong may be a store's URL.
    .replace(/command-argument value ('.*') is invalid for argument '(\w+)'/s, "$2 $1 is invalid")
    .trimEnd()
    .replaceAll("\n", " ");
  const end = /[.?)]$/.test(sentence) ? "" : ".";
  return `${visible(withoutApiKeys(sentence))}${end} ${whereHelpIs(named)}\n`;
}

const EXAMPLES = `Examples:
  tally serve                     on 127.0.0.1:8080, counters in ./tally.db
  tally inc visits                count one more, and print the new value
  tally get visits                print the value
  tally top page:                 the highest of those that begin with page:
  tally help inc                  all that a command can do
`;
