import { type Command, Option } from "commander";
import { contextsPath, readContexts, serverOf, writeContexts } from "./contexts.ts";
import { CommandError, EXIT } from "./exit.ts";
import { type Format, Output } from "./output.ts";
import { serverAddress } from "./resolve-server.ts";

/** `tally config`: name servers, and choose one; each is called a context. */
export function define(command: Command): void {
  command.usage("COMMAND ...").addHelpText("before", EXAMPLES).addHelpText("after", PRECEDENCE);
  const path = contextsPath(process.env);

  sub(command, "list", "the servers that have a name")
    .addOption(
      new Option("-o, --output <format>", "how to print")
        .choices(["table", "json", "yaml", "value", "name"])
        .default("table"),
    )
    .action(async ({ output }: { output: Format }) => {
      const { current, contexts = {} } = await readContexts(path);
      const list = new Output(output, false).list();
      await list.add(
        Object.entries(contexts).map(([name, { server = "" }]) => ({
          json: { name, server, current: name === current },
          value: server,
          name,
          cells: { NAME: name, SERVER: server, CURRENT: name === current ? "yes" : "" },
        })),
      );
      await list.end();
    });

  sub(command, "set", "give a server a name, or a name another server; the first one is in use at once")
    .argument("<name>", "letters, digits, dots, dashes and underscores")
    .argument("<server>", "HOST:PORT")
    .action(async (name: string, server: string) => {
      if (!/^[A-Za-z0-9._-]{1,64}$/.test(name) || name === "__proto__")
        throw new CommandError(EXIT.USAGE, `"${name}" is no name of a context: 1 to 64 of A-Z a-z 0-9 . _ -`);
      const { current = name, contexts, ...rest } = await readContexts(path);
      const all = { ...contexts, [name]: { ...contexts?.[name], server: serverAddress(server) } };
      await writeContexts(path, { ...rest, current, contexts: all });
    });

  sub(command, "use", "talk to this server from now on")
    .argument("<name>", "a context")
    .action(async (name: string) => {
      const contexts = await readContexts(path);
      serverOf(contexts, name, path);
      await writeContexts(path, { ...contexts, current: name });
      const before = ["TALLY_SERVER", "TALLY_CONTEXT"].find((variable) => process.env[variable]);
      if (before) new Output("value", false).note(`But ${before} is set here, and goes first; unset it.`);
    });

  sub(command, "remove", "forget a name")
    .argument("<name>", "a context")
    .action(async (name: string) => {
      const { current, contexts, ...rest } = await readContexts(path);
      serverOf({ contexts: { ...contexts } }, name, path);
      const { [name]: _, ...others } = contexts!;
      const stays = current !== undefined && current !== name;
      await writeContexts(path, { ...rest, ...(stays && { current }), contexts: others });
      if (current === name) new Output("value", false).note(NONE_IN_USE);
    });

  sub(command, "path", "where the file is").action(async () => {
    await new Output("value", false).text(`${path}\n`);
  });
}

function sub(command: Command, name: string, about: string): Command {
  return command.command(name).summary(about).description(about).copyInheritedSettings(command);
}

const NONE_IN_USE = "No context is in use now; choose one with: tally config use NAME";

const EXAMPLES = `Examples:
  tally config set prod counters.example:8080
  tally config use prod                  every command talks to it from now on
  tally get visits --context prod        this one does
  tally config list

`;

const PRECEDENCE = `
Which server a command talks to: --server or --context, else TALLY_SERVER or TALLY_CONTEXT, else the context in
use, else 127.0.0.1:8080.`;
