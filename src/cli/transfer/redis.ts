/** Counters of a running Redis: the keys that INCR makes, read beside whoever counts there. */
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { formatDuration, parseDuration } from "../../config/quantity.ts";
import { withoutSecrets } from "../../core/secrets.ts";
import { nameOf } from "../count/name.ts";
import { counted } from "../count/summary.ts";
import { CommandError, EXIT } from "../exit.ts";
import { int64 } from "../values.ts";
import { AGAIN, type Found } from "./sink.ts";

/** What of a Redis is read, and what its keys become. */
export interface RedisKeys {
  /** redis://USER:PASSWORD@HOST:PORT/DB, or rediss:// over TLS. */
  readonly url: string;
  /** As SCAN takes it. */
  readonly match: string;
  /** What is put in the place of what in keys, before they are names. */
  readonly replace: readonly Replacement[];
  /** What becomes of a TTL. */
  readonly ttl: "idle" | "ignore" | "skip";
}

export interface Replacement {
  readonly from: string;
  readonly to: string;
}

/** A key that is a counter; or why it is none. */
export type KeyRow = Found | Unfit;

/** Why a key is no counter: a word for all of its kind, and a sentence. */
interface Unfit {
  readonly at: string;
  readonly reason: string;
  readonly fault: string;
}

/** A Redis, connected. */
export interface RedisReader {
  /** Keys of all kinds, at the beginning. */
  readonly total: number;
  /** Which it is, without what is secret. */
  readonly identity: string;
  /** Each key that the pattern matches, once. @throws CommandError */
  rows(): AsyncGenerator<readonly KeyRow[]>;
  close(): void;
}

/** Connect. @throws CommandError  when it cannot, or there is no client of Redis's */
export async function openRedis(keys: RedisKeys): Promise<RedisReader> {
  const { createClient } = await import("@redis/client").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new CommandError(
      EXIT.UNAVAILABLE,
      "To read from Redis takes the package @redis/client, which is not here. Beside tally, run: npm install @redis/client@6",
    );
  });
  const shown = withoutSecrets(keys.url);
  const failed = (error: unknown, read?: number) => {
    const when = read === undefined ? "" : ` after ${counted(read, "key was", "keys were")} read`;
    return new CommandError(
      EXIT.UNAVAILABLE,
      `The Redis at ${shown} failed${when}: ${(error as Error).message.replace(/\.$/, "")}.`,
    );
  };
  try {
    const password = process.env.REDISCLI_AUTH; // As redis-cli has it: others can read what stands on a command line.
    const own = password !== undefined && new URL(keys.url).password === "" ? { password } : {};
    const client = createClient({ url: keys.url, ...own, RESP: 2, socket: { reconnectStrategy: false } });
    client.on("error", () => {}); // The command that it meets tells it.
    await client.connect();
    const ask: Ask = (...args) => client.sendCommand([...args], { typeMapping: AS_BYTES });
    const total = Number(await ask("DBSIZE"));
    const { host, pathname } = new URL(keys.url);
    return {
      total,
      identity: `${host}${pathname === "/" ? "" : pathname}`,
      async *rows() {
        let read = 0;
        try {
          for await (const rows of rowsOf(ask, keys)) {
            yield rows;
            read += rows.length;
          }
        } catch (error) {
          throw new CommandError(EXIT.UNAVAILABLE, `${failed(error, read).message} ${AGAIN}`);
        }
      },
      close: () => client.destroy(),
    };
  } catch (error) {
    throw failed(error);
  }
}

type Ask = (...args: (string | Buffer)[]) => Promise<unknown>;

/** Bulk strings are bytes: a key need not be UTF-8. */
const AS_BYTES = { 36: Buffer } as const;

async function* rowsOf(ask: Ask, { match, replace, ttl }: RedisKeys): AsyncGenerator<readonly KeyRow[]> {
  const named = namedBy(await keysOf(ask, match), replace);
  for (let from = 0; from < named.length; from += READ) {
    const some = named.slice(from, from + READ);
    yield await rowsFor(ask, some, ttl);
  }
}

/** All keys that a pattern matches, each once: SCAN may give one twice. */
async function keysOf(ask: Ask, match: string): Promise<Iterable<string>> {
  const keys = new Set<string>();
  let cursor = "0";
  do {
    const [next, page] = (await ask("SCAN", cursor, "MATCH", match, "COUNT", SCANNED)) as [Buffer, Buffer[]];
    cursor = `${next}`;
    for (const key of page) keys.add(key.toString("latin1"));
  } while (cursor !== "0");
  return keys;
}

interface Named {
  /** One character a byte. */
  readonly key: string;
  readonly name: string;
  /** Another key that has this name. */
  readonly other?: string;
}

/** The names for keys: what is replaced, and then what no name can have percent-encoded, so that no two meet by that. */
function namedBy(keys: Iterable<string>, replace: readonly Replacement[]): Named[] {
  const named = Array.from(keys, (key) => ({ key, name: nameFor(key, replace) }));
  if (replace.length === 0) return named;
  const owners = new Map<string, string>();
  const others = new Map<string, string>();
  for (const { key, name } of named) {
    const owner = owners.get(name);
    if (owner === undefined) owners.set(name, key);
    else others.set(owner, key).set(key, owner);
  }
  return named.map((each) => ({ ...each, ...(others.has(each.key) && { other: others.get(each.key)! }) }));
}

function nameFor(key: string, replace: readonly Replacement[]): string {
  return nameOf(
    replace.reduce((bytes, { from, to }) => bytes.replaceAll(asBytes(from), () => asBytes(to)), key),
  );
}

async function rowsFor(ask: Ask, named: readonly Named[], ttl: RedisKeys["ttl"]): Promise<KeyRow[]> {
  const keys = named.map(({ key }) => Buffer.from(key, "latin1"));
  const [values, ttls] = await Promise.all([
    ask("MGET", ...keys) as Promise<(Buffer | null)[]>,
    Promise.all(keys.map((key) => ask("PTTL", key).then(Number))),
  ]);
  const rows: KeyRow[] = [];
  for (const [i, key] of keys.entries()) {
    const { name, other } = named[i]!;
    const at = `key ${key}`;
    const value = values[i]!;
    const ttlMs = ttls[i]!;
    const type = value === null ? `${await ask("TYPE", key)}` : "string";
    if (type === "none" || ttlMs === GONE) continue; // It expired, or was deleted, while it was looked at.
    if (value === null) rows.push({ at, reason: "NOT_A_NUMBER", fault: `it is a ${type}` });
    else if (other !== undefined) {
      const fault = `its name ${name} would be that of key ${Buffer.from(other, "latin1")}, too`;
      rows.push({ at, reason: "NAME_TAKEN", fault });
    } else rows.push(rowOf({ at, name, text: `${value}`, ttlMs, ttl }));
  }
  return rows;
}

interface Read {
  readonly at: string;
  readonly name: string;
  readonly text: string;
  /** -1: none. */
  readonly ttlMs: number;
  readonly ttl: RedisKeys["ttl"];
}

function rowOf({ at, name, text, ttlMs, ttl }: Read): KeyRow {
  const value = valueIn(text);
  if (value === undefined) {
    const shown = JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text);
    return {
      at,
      reason: "NOT_A_NUMBER",
      fault: `expected a whole number from -2^63 to 2^63-1, got ${shown}`,
    };
  }
  if (ttlMs < 0 || ttl === "ignore") return { at, name, value, settings: undefined };
  if (ttl === "skip") return { at, reason: "HAS_TTL", fault: `it expires in ${formatDuration(ttlMs)}` };
  if (ttlMs > IDLE_TTL_MS_MAX)
    return {
      at,
      reason: "TTL_TOO_LONG",
      fault: `it expires in ${formatDuration(ttlMs)}, and 3650d are the most; see --ttl`,
    };
  return { at, name, value, settings: { idleTtl: durationFromMs(Math.max(ttlMs, IDLE_TTL_MS_MIN)) } };
}

/** As Redis writes numbers, and takes them for INCR: no plus, no zeros before it. */
function valueIn(text: string): bigint | undefined {
  if (!/^(0|-?[1-9]\d{0,18})$/.test(text)) return undefined;
  try {
    return int64(text);
  } catch {
    return undefined;
  }
}

function asBytes(text: string): string {
  return Buffer.from(text).toString("latin1");
}

/** What PTTL says of a key that is not there. */
const GONE = -2;
/** Keys whose values are read at once. */
const READ = 1_000;
/** Keys that a SCAN looks at: some tenths of a millisecond of Redis's time. */
const SCANNED = "1000";
const SHOWN = 60;
const IDLE_TTL_MS_MIN = 1_000;
const IDLE_TTL_MS_MAX = parseDuration("3650d")!;
