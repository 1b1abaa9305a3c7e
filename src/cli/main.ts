import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { CommandError, EXIT, fail } from "./exit.ts";

/** Every command. Its file is loaded only if it is the one that was named, so that none pays for the others. */
const COMMANDS: Readonly<Record<string, Listed>> = {
  inc: { group: "Count", about: "add to a counter", load: () => import("./inc.ts") },
  get: { group: "Look", about: "read counters", load: () => import("./get.ts") },
  serve: { group: "Serve", about: "serve counters over gRPC", load: () => import("./serve.ts") },
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
  const words = args[0] === "help" ? [...args.slice(1), "--help"] : args; // `tally help inc` is `tally inc --help`.
  try {
    const program = await programFor(words[0], { version });
    await program.parseAsync(words, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? EXIT.OK : EXIT.USAGE); // It has told why.
    if (error instanceof CommandError) fail(error.message, error.exit);
    const stack = error instanceof Error ? error.stack : String(error);
    fail(`a defect in Tally, please report it: ${stack}`, EXIT.DEFECT);
  }
}

/** When nobody reads any more there is nothing left to do, and nobody to tell. */
function endWithOutput(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT.PIPE_CLOSED);
    fail(`The output cannot be written: ${error.message}.`, EXIT.FAILURE);
  });
  process.stderr.on("error", () => {});
}

async function programFor(named: string | undefined, context: Program): Promise<Command> {
  const program = new Command("tally")
    .description("Counts things: durable, exact, exactly-once counters over gRPC.")
    .usage("COMMAND ...")
    .version(context.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help; `tally help COMMAND` prints that of a command")
    .helpCommand(false)
    .addHelpText("before", EXAMPLES)
    .configureOutput({ outputError: (text, write) => write(oneSentence(text)) })
    .configureHelp({ showGlobalOptions: false })
    .exitOverride();
  for (const [name, { group, about, load }] of Object.entries(COMMANDS)) {
    const command = program.command(name).summary(about).description(about).helpGroup(`${group}:`);
    command.copyInheritedSettings(program).exitOverride();
    if (name === named) (await load()).define(command, context);
  }
  return program;
}

/** Commander's "error: unknown option '--lisen'", with its guess on a second line, as all of our messages read. */
function oneSentence(text: string): string {
  return `${text
    .replace(/^error: /, "tally: ")
    .trimEnd()
    .replaceAll("\n", " ")}\n`;
}

const EXAMPLES = `Examples:
  tally serve                     serve on 127.0.0.1:8080, counters in ./tally.db
  tally inc visits                count one more, and print the new value
  tally get visits                print the value
  tally help inc                  all that a command can do

`;
