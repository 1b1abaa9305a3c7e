import { resolve } from "node:path";
import type { Command } from "commander";
import { readKey } from "./api-key.ts";
import { readAuthorities } from "./authorities.ts";
import { type Context, contextOf, contextsPath, readContexts, writeContexts } from "./contexts.ts";
import { CommandError, EXIT, report } from "./exit.ts";
import { notes } from "./help.ts";
import { type Format, Output } from "./output.ts";
import { outputOption } from "./output-options.ts";
import { serverAddress } from "./resolve-server.ts";
import { sub } from "./sub.ts";

/** `tally config`: name servers, and choose one; each is called a context. */
export function define(command: Command): void {
  command.usage("COMMAND ...").addHelpText("before", EXAMPLES).addHelpText("after", notes(PRECEDENCE));
  const path = contextsPath(process.env);

  sub(command, "list", "the servers that have a name")
    .addOption(outputOption(["table", "json", "yaml", "value", "name"]))
    .action(async ({ output }: { output: Format }) => {
      const { current, contexts = {} } = await readContexts(path);
      const list = new Output(output, false).list();
      const all = Object.entries(contexts).map(([name, context]) => ({
        name,
        context,
        key: shownKey(context),
      }));
      const someHaveKeys = all.some(({ key }) => key !== undefined);
      await list.add(
        all.map(({ name, context: { server = "", "ca-file": caFile }, key }) => ({
          json: { name, server, ...(caFile !== undefined && { caFile }), ...key, current: name === current },
          value: server,
          name,
          cells: {
            NAME: name,
            SERVER: server,
            ...(someHaveKeys && { KEY: key?.apiKey ?? key?.apiKeyFile ?? "" }),
            CURRENT: name === current ? "yes" : "",
          },
        })),
      );
      await list.end();
    });

  sub(command, "set", "give a server a name, or a name another server; the first one is in use at once")
    .argument("<name>", "letters, digits, dots, dashes and underscores")
    .argument("<server>", "HOST:PORT, with https:// before it for TLS")
    .option("--ca-file <file>", "PEM file of the authorities to trust; else those that the system trusts")
    .option(
      "--api-key-file <file>",
      "with the API key to call with; of - (standard input) the key itself is kept",
    )
    .action(async (name: string, text: string, { caFile, apiKeyFile }: SetOptions) => {
      if (!/^[A-Za-z0-9._-]{1,64}$/.test(name) || name === "__proto__")
        throw new CommandError(EXIT.USAGE, `"${name}" is no name of a context: 1 to 64 of A-Z a-z 0-9 . _ -`);
      const { current = name, contexts, ...rest } = await readContexts(path);
      const server = serverAddress(text);
      const { "ca-file": _, "api-key": __, "api-key-file": ___, ...kept } = contexts?.[name] ?? {};
      const ca = caFile === undefined ? {} : { "ca-file": await trusted(caFile, server) };
      const key = apiKeyFile === undefined ? {} : await keyFrom(apiKeyFile);
      const all = { ...contexts, [name]: { ...kept, server, ...ca, ...key } };
      await writeContexts(path, { ...rest, current, contexts: all });
    });

  sub(command, "use", "talk to this server from now on")
    .argument("<name>", "a context")
    .action(async (name: string) => {
      const contexts = await readContexts(path);
      contextOf(contexts, name, path);
      await writeContexts(path, { ...contexts, current: name });
      const before = ["TALLY_SERVER", "TALLY_CONTEXT"].find((variable) => process.env[variable]);
      if (before) new Output("value", false).note(`But ${before} is set here, and goes first; unset it.`);
    });

  sub(command, "remove", "forget a name")
    .argument("<name>", "a context")
    .action(async (name: string) => {
      const { current, contexts, ...rest } = await readContexts(path);
      contextOf({ contexts: { ...contexts } }, name, path);
      const { [name]: _, ...others } = contexts!;
      const stays = current !== undefined && current !== name;
      await writeContexts(path, { ...rest, ...(stays && { current }), contexts: others });
      if (current === name) new Output("value", false).note(NONE_IN_USE);
    });

  sub(command, "path", "where the file is").action(async () => {
    await new Output("value", false).text(`${path}\n`);
  });
}

interface SetOptions {
  readonly caFile?: string;
  readonly apiKeyFile?: string;
}

/** What is shown of a context's key: where it is, and never what it is. */
function shownKey({
  "api-key": key,
  "api-key-file": apiKeyFile,
}: Partial<Context>): { apiKey?: string; apiKeyFile?: string } | undefined {
  if (key !== undefined) return { apiKey: "***" };
  return apiKeyFile === undefined ? undefined : { apiKeyFile };
}

/** What a context keeps of a key, once it is sure that there is one. @throws CommandError */
async function keyFrom(file: string): Promise<Pick<Context, "api-key" | "api-key-file">> {
  const key = await readKey(file, report);
  return file === "-" ? { "api-key": key } : { "api-key-file": resolve(file) };
}

/** The path of a file that will do, from everywhere. @throws CommandError */
async function trusted(caFile: string, server: string): Promise<string> {
  if (!server.startsWith("https://"))
    throw new CommandError(
      EXIT.USAGE,
      `--ca-file is for TLS, and ${server} is not; write https:// before it.`,
    );
  await readAuthorities(caFile);
  return resolve(caFile);
}

const NONE_IN_USE = "No context is in use now; choose one with: tally config use NAME";

const EXAMPLES = `Examples:
  tally config set prod counters.example:8080
  tally config set prod https://counters.example --ca-file ca.pem
  tally config set prod https://counters.example --api-key-file ~/.tally-key
  tally config use prod                  every command talks to it from now on
  tally get visits --context prod        this one does
  tally config list
`;

const PRECEDENCE = `
Which server a command talks to: --server or --context, else TALLY_SERVER or TALLY_CONTEXT, else the context in
use, else 127.0.0.1:8080. With https:// before it, over TLS: then --ca-file, the context or TALLY_CA_FILE name a file
of the authorities to trust; without, those that the system trusts.

By which key a server knows who calls: --api-key-file, else TALLY_API_KEY or TALLY_API_KEY_FILE, else the context, whose
key goes to its own server alone. A key is one line, is never printed, and is not sent in plaintext to another machine
unless --plaintext-key says so.`;
