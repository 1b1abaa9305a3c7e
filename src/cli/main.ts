import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError } from "commander";

/** Every command. Its file is loaded only if it is the one that was named, so that none pays for the others. */
const COMMANDS: Readonly<Record<string, { about: string; load: () => Promise<CommandFile> }>> = {
  serve: { about: "serve counters over gRPC", load: () => import("./serve.ts") },
};

/** What the file of a command exports. */
export interface CommandFile {
  /** Give the command its options, help and action. */
  define(command: Command, context: { version: string }): void;
}

/**
 * Run the `tally` command; exits the process, or leaves it serving.
 *
 * @param args         what stands after the program's name
 * @param packageRoot  the folder of package.json
 */
export async function main(args: readonly string[], packageRoot: string): Promise<void> {
  const { version } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8"));
  const program = new Command("tally")
    .description("Counts things: durable, exact, exactly-once counters over gRPC.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .addHelpText("before", EXAMPLES)
    .configureOutput({ outputError: (text, write) => write(oneSentence(text)) })
    .exitOverride();
  const named = args.find((arg) => !arg.startsWith("-"));
  for (const [name, { about, load }] of Object.entries(COMMANDS)) {
    const command = program.command(name).summary(about).description(about).exitOverride();
    command.copyInheritedSettings(program);
    if (name === named) (await load()).define(command, { version });
  }
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    const { exitFor, EXIT } = await import("./exit.ts");
    if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? EXIT.OK : EXIT.USAGE); // It has told why.
    exitFor(error);
  }
}

/** Commander's "error: unknown option '--lisen'", with its guess on a second line, as all of our messages read. */
function oneSentence(text: string): string {
  return `${text
    .replace(/^error: /, "tally: ")
    .trimEnd()
    .replaceAll("\n", " ")}\n`;
}

const EXAMPLES = `Examples:
  tally serve                                   on 127.0.0.1:8080, counters in ./tally.db
  tally serve --listen 127.0.0.1:9000 --store sqlite:/var/lib/tally/tally.db
  tally serve --help                            every setting, with its range and default
`;
