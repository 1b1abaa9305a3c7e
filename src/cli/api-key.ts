/** Where the key comes from by which a server knows who calls. It is never an argument, and never printed. */
import { API_KEY_BYTES_MAX, isApiKey, isPrivateWay } from "../client/api-key.ts";
import { grouped } from "../config/quantity.ts";
import { withoutApiKeys } from "../core/secrets.ts";
import { readNamedFile } from "../named-file.ts";
import { CommandError, EXIT } from "./exit.ts";

/** A key, as one place gives it: by itself, or in a file. */
export interface KeyGiven {
  /** The key. */
  readonly key?: string | undefined;
  /** The path of a file with the key alone; "-" is standard input. */
  readonly file?: string | undefined;
  /** What the two are called there, and how it is told when both are given. */
  readonly names: readonly [key: string, file: string];
  /** The exit code of a mistake in it. */
  readonly exit: number;
}

/**
 * The key of the first place that gives one.
 *
 * @param places  in the order of their precedence
 * @param warn    told when others can read a file with a key
 * @returns       undefined: none gives one
 * @throws CommandError  when a place gives two, or one that cannot be read or is no key; never with the key in it
 */
export async function keyOf(
  places: readonly KeyGiven[],
  warn: (sentence: string) => void,
): Promise<string | undefined> {
  const place = places.find(({ key, file }) => key !== undefined || file !== undefined);
  if (place === undefined) return undefined;
  const { key, file, names, exit } = place;
  if (key !== undefined && file !== undefined)
    throw new CommandError(
      exit,
      `${names[0]} and ${names[1]} are two answers to one question; give one of them.`,
    );
  if (file !== undefined) return readKey(file, warn);
  if (isApiKey(key!)) return key;
  throw new CommandError(exit, `${names[0]} is no API key: ${EXPECTED}.`);
}

/** The key in a file, or on standard input. @throws CommandError  as keyOf */
export async function readKey(path: string, warn: (sentence: string) => void): Promise<string> {
  if (path === "-" && process.stdin.isTTY)
    throw new CommandError(
      EXIT.USAGE,
      "A key that is typed here would be shown; pipe it in, or give --api-key-file a file.",
    );
  const from = path === "-" ? "Standard input" : `The key file ${path}`;
  let text: string;
  try {
    text = path === "-" ? await textOfInput() : (await readNamedFile(path)).toString();
  } catch (cause) {
    if (withoutApiKeys(path) !== path)
      throw new CommandError(
        EXIT.USAGE,
        "--api-key-file was given a key, and expected the path of a file. Others on this machine can see what stands " +
          "in a command line: revoke that key, and put a new one into a file.",
      );
    throw new CommandError(EXIT.CONFIG, `${from} cannot be read: ${(cause as Error).message}.`, { cause });
  }
  const key = text.trim();
  if (!isApiKey(key)) {
    const found = key === "" ? "nothing" : /\s/.test(key) ? "more than one word" : "something else";
    throw new CommandError(EXIT.CONFIG, `${from} has ${found} in it; expected an API key: ${EXPECTED}.`);
  }
  if (path !== "-") await warnIfOpen(path, from, warn);
  return key;
}

async function textOfInput(): Promise<string> {
  let text = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) {
    text += chunk;
    if (text.length > 2 * API_KEY_BYTES_MAX) break; // No key, and perhaps without an end.
  }
  return text;
}

/**
 * Warn when everybody on this machine can read a file with a key. Those of its group may: so Kubernetes gives secrets to
 * who runs without root.
 *
 * @param what  begins the sentence
 */
export async function warnIfOpen(
  path: string,
  what: string,
  warn: (sentence: string) => void,
): Promise<void> {
  const { stat } = await import("node:fs/promises");
  const found = await stat(path).catch(() => undefined); // Perhaps gone since it was read.
  if (found?.isFile() && (found.mode & 0o004) !== 0)
    warn(`${what} can be read by everybody on this machine; keep it to yourself with: chmod 600 ${path}`);
}

/** @throws CommandError  when others could read a key on its way to a server */
export function expectPrivateWay(server: string, plaintextKey: boolean): void {
  if (plaintextKey || isPrivateWay(server)) return;
  throw new CommandError(
    EXIT.USAGE,
    `The key is not sent in plaintext to ${server}, for everybody on the way could read it; nothing was asked. Write ` +
      `https:// before the server for TLS, or, on a network that you trust, add --plaintext-key.`,
  );
}

const EXPECTED = `one line of up to ${grouped(API_KEY_BYTES_MAX)} printable ASCII characters without spaces`;
