/** The user's own file of named servers. */
import { randomBytes } from "node:crypto";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import type { TomlError } from "smol-toml";
import { withoutSecrets } from "../core/secrets.ts";
import { readNamedFile } from "../named-file.ts";
import { CommandError, EXIT } from "./exit.ts";

/** What the file says. Tables and keys that are not ours stay in it. */
export interface Contexts {
  /** The name of the context in use. */
  current?: string;
  contexts?: Record<string, Partial<Context>>;
}

/** A server that a name stands for, as the file of contexts has it. */
export interface Context {
  readonly server: string;
  /** Whose certificates to trust, over TLS: the path of a file in PEM. */
  readonly "ca-file"?: string;
  /** The key by which the server knows who calls, or the path of a file with it. */
  readonly "api-key"?: string;
  readonly "api-key-file"?: string;
}

/** Where the file is, whether it is there or not: $XDG_CONFIG_HOME/tally/config.toml. */
export function contextsPath(env: NodeJS.ProcessEnv): string {
  const { XDG_CONFIG_HOME: folder = "" } = env;
  return join(isAbsolute(folder) ? folder : join(homedir(), ".config"), "tally/config.toml");
}

/** Read the file; one that is missing is empty. @throws CommandError when it cannot be read, or is not such a file */
export async function readContexts(path: string): Promise<Contexts> {
  let text: string;
  try {
    text = (await readNamedFile(path)).toString();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw unusable(path, `cannot be read: ${(error as Error).message}`, error);
  }
  const { parse } = await import("smol-toml");
  let contexts: Contexts;
  try {
    contexts = parse(text);
  } catch (error) {
    const { message, line } = error as TomlError;
    const [what] = message.replace("Invalid TOML document: ", "").split("\n");
    throw unusable(path, `is not valid TOML: ${what} (line ${line})`, error);
  }
  check(contexts, path);
  return contexts;
}

/**
 * Write the file: for its owner's eyes only, and whole or not at all. Comments in it are lost.
 *
 * @throws CommandError when it cannot be written
 */
export async function writeContexts(path: string, contexts: Contexts): Promise<void> {
  const { mkdir, open, realpath, rename, rm } = await import("node:fs/promises");
  const { stringify } = await import("smol-toml");
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const target = await realpath(path).catch(() => path); // A link to a file elsewhere stays a link.
    const draft = `${target}.${randomBytes(6).toString("hex")}`;
    try {
      const file = await open(draft, "wx", 0o600);
      try {
        await file.writeFile(`${HEAD}${stringify(contexts)}`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(draft, target);
    } finally {
      await rm(draft, { force: true });
    }
  } catch (error) {
    throw unusable(path, `cannot be written: ${(error as Error).message}; it is as it was`, error);
  }
}

/** A context by its name. @throws CommandError when there is no such context */
export function contextOf({ contexts = {} }: Contexts, name: string, path: string): Context {
  const { server, ...more } = (Object.hasOwn(contexts, name) && contexts[name]) || {};
  if (server !== undefined) return { ...more, server };
  const known = Object.keys(contexts);
  const shown = withoutSecrets(name); // Perhaps it was meant for --server.
  const hint =
    known.length === 0
      ? `make it with: tally config set ${shown} HOST:PORT`
      : `there are ${known.join(", ")}`;
  throw new CommandError(EXIT.CONFIG, `There is no context ${shown} in ${path}; ${hint}.`);
}

function check({ current, contexts = {} }: Contexts, path: string): void {
  if (current !== undefined && typeof current !== "string")
    throw unusable(path, "has a current that is no text");
  const isTable = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isTable(contexts)) throw unusable(path, "has contexts that are no table");
  for (const [name, context] of Object.entries(contexts)) {
    if (!isTable(context) || typeof context.server !== "string")
      throw unusable(path, `has a context ${name} without a server, such as server = "127.0.0.1:8080"`);
    for (const key of ["ca-file", "api-key", "api-key-file"] as const) {
      if (context[key] !== undefined && typeof context[key] !== "string")
        throw unusable(path, `has a context ${name} whose ${key} is no text`);
    }
  }
}

function unusable(path: string, why: string, cause?: unknown): CommandError {
  return new CommandError(EXIT.CONFIG, `The file ${path} ${why}.`, { cause });
}

const HEAD = "# Written by `tally config`, which keeps no comments.\n";
