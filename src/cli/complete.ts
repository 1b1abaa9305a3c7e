import { Command, type Option } from "commander";
import { RPC, TallyClient } from "../client/client.ts";
import { contextsPath, readContexts } from "./contexts.ts";
import type { CommandFile } from "./main.ts";
import { optionsOf, type Taken, takeApart } from "./options-between.ts";
import { Output } from "./output.ts";
import { resolveServer } from "./resolve-server.ts";
import { UNITS } from "./time-settings.ts";
import { commandFirst } from "./words.ts";

/** The commands as main.ts lists them. */
type Commands = Readonly<Record<string, { readonly about: string; load(): Promise<CommandFile> }>>;

/**
 * Print what the last word could be, for the scripts of `tally completion`: one a line, a tab, what it is about.
 * Whatever goes wrong, a person at a prompt is not told: there is just nothing to choose from.
 *
 * @param words  what stands behind `tally` up to the cursor; the last one is begun, and may be empty
 */
export async function complete(words: readonly string[], commands: Commands): Promise<void> {
  const found = await candidatesFor(words, commands).catch(() => []);
  const begun = words.at(-1) ?? "";
  const lines = found.filter(([word]) => word.startsWith(begun)).map((line) => `${line.join("\t")}\n`);
  await new Output("value", false).text(lines.join(""));
}

type Candidate = readonly [word: string, about: string];

async function candidatesFor(words: readonly string[], commands: Commands): Promise<Candidate[]> {
  const before = commandFirst(words.slice(0, -1));
  const begun = words.at(-1) ?? "";
  const [name, ...rest] = before[0] === "help" ? before.slice(1) : before;
  const all = Object.entries(commands).map(([command, { about }]): Candidate => [command, about]);
  if (name === undefined) return before[0] === "help" ? all : [...all, ["help", "all that a command can do"]];
  const listed = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (listed === undefined) return [];
  const program = new Command(name);
  (await listed.load()).define(program, { version: "" });
  return within(takeApart(rest, program), begun);
}

async function within({ command, options, rest }: Taken, begun: string): Promise<Candidate[]> {
  const { operands, given, open } = sort(command, [...options, ...rest]);
  if (open !== undefined) return valuesOf(open);
  if (begun.startsWith("-")) return command.options.map((option) => [option.long!, option.description]);
  if (command.commands.length > 0)
    return command.commands.map((candidate) => [candidate.name(), candidate.summary()]);
  const declared = command.registeredArguments;
  const argument = declared[operands.length] ?? (declared.at(-1)?.variadic ? declared.at(-1) : undefined);
  if (argument?.argChoices) return argument.argChoices.map((choice) => [choice, ""]);
  if (argument?.name() === "name" && command.parent?.name() === "config") return contextNames();
  if (argument?.name() === "principal") return principalNames(given);
  if (argument?.name() === "name" || argument?.name() === "prefix") return counterNames(begun, given);
  return [];
}

/** The words before the last, as commander would sort them; `open` is an option that waits for its value. */
function sort(command: Command, before: readonly string[]) {
  const operands: string[] = [];
  const given: Record<string, string> = {};
  let open: Option | undefined;
  for (const word of before) {
    if (open !== undefined) {
      given[open.attributeName()] = word;
      open = undefined;
    } else if (word.startsWith("-")) {
      const [flag, value] = word.split("=", 2);
      const option = optionsOf(command).find(({ long, short }) => long === flag || short === flag);
      if (option?.required && value === undefined) open = option;
      else if (option !== undefined) given[option.attributeName()] = value ?? "";
    } else operands.push(word);
  }
  return { operands, given, open };
}

async function valuesOf(option: Option): Promise<Candidate[]> {
  if (option.attributeName() === "context") return contextNames();
  const words = WORDS[option.attributeName()]?.() ?? option.argChoices ?? [];
  return words.map((word) => [word, ""]);
}

/** Of options that take other values as well. */
const WORDS: Readonly<Record<string, () => readonly string[]>> = {
  window: () => UNITS,
  zone: () => ["UTC", ...Intl.supportedValuesOf("timeZone")],
};

async function contextNames(): Promise<Candidate[]> {
  const { contexts = {} } = await readContexts(contextsPath(process.env));
  return Object.entries(contexts).map(([name, { server = "" }]) => [name, server]);
}

async function counterNames(prefix: string, given: Readonly<Record<string, string>>): Promise<Candidate[]> {
  const client = await clientFor(given);
  const request = { prefix, pageSize: NAMES_SHOWN };
  const { counters } = await client.call(RPC.listCounters, request, { attemptsMax: 1 });
  return counters.map(({ name, value }) => [name, `${value}`]);
}

async function principalNames(given: Readonly<Record<string, string>>): Promise<Candidate[]> {
  const { AdminService } = await import("../../gen/browser/tally/v1/admin_service_pb.ts");
  const client = await clientFor(given);
  const request = { pageSize: 1_000 };
  const { principals } = await client.call(AdminService.method.listPrincipals, request, { attemptsMax: 1 });
  return principals.map(({ name, description }) => [name, description]);
}

/** For the server that the words before say. */
async function clientFor({
  plaintextKey,
  apiKeyFile,
  ...given
}: Readonly<Record<string, string>>): Promise<TallyClient> {
  if (apiKeyFile === "-") throw new Error("The key comes when the command is run.");
  const wanted = {
    ...given,
    ...(apiKeyFile !== undefined && { apiKeyFile }),
    ...(plaintextKey !== undefined && { plaintextKey: true as const }),
  };
  const place = await resolveServer(wanted, process.env, () => {});
  return new TallyClient({ ...place, timeoutMs: PATIENCE_MS });
}

/** Somebody is holding the Tab key; and nobody reads more names than this. */
const PATIENCE_MS = 700;
const NAMES_SHOWN = 200;
