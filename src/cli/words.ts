/** The words of a command line before commander sees them: where options may stand, and what people type from habit. */

import type { Flags } from "./option-values.ts";
import { endOfOptions } from "./options-between.ts";

/** Options of every command on a server, which may stand before it as well. */
const COMMON_OPTIONS: readonly Flags[] = [
  { long: "--server", required: true },
  { long: "--context", required: true },
  { long: "--ca-file", required: true },
  { long: "--api-key-file", required: true },
  { long: "--plaintext-key", required: false },
  { long: "--timeout", required: true },
  { long: "--output", short: "-o", required: true },
  { long: "--quiet", short: "-q", required: false },
];

/** `tally --server HOST inc visits` is `tally inc --server HOST visits`. */
export function commandFirst(words: readonly string[]): readonly string[] {
  const at = endOfOptions(words, COMMON_OPTIONS);
  const [command, ...rest] = words.slice(at);
  if (command === undefined) return [];
  return command === "help" ? [command, ...rest] : [command, ...words.slice(0, at), ...rest];
}

/** What stands for a command elsewhere (in Redis, SQL, HTTP or a shell), and what to type here. */
export function otherWord(word: string): string | undefined {
  const lower = word.toLowerCase();
  return Object.hasOwn(OTHER_WORDS, lower) ? `tally ${OTHER_WORDS[lower]}` : undefined;
}

const OTHER_WORDS: Readonly<Record<string, string>> = {
  add: "inc",
  bump: "inc",
  hit: "inc",
  incr: "inc",
  incrby: "inc",
  increment: "inc",
  decr: "dec",
  decrby: "dec",
  decrement: "dec",
  sub: "dec",
  subtract: "dec",
  put: "set",
  clear: "reset",
  zero: "reset",
  del: "delete",
  destroy: "delete",
  drop: "delete",
  remove: "delete",
  rm: "delete",
  edit: "update",
  patch: "update",
  make: "create",
  mk: "create",
  new: "create",
  cat: "get",
  describe: "get",
  mget: "get",
  read: "get",
  show: "get",
  value: "get",
  keys: "list",
  ls: "list",
  rank: "top",
  total: "sum",
  follow: "watch",
  monitor: "watch",
  tail: "watch",
  load: "import",
  daemon: "serve",
  run: "serve",
  server: "serve",
  start: "serve",
  up: "serve",
  health: "ping",
  status: "ping",
  benchmark: "bench",
  dump: "backup",
  snapshot: "backup",
  fsck: "verify",
  check: "verify",
  mv: "copy",
  cp: "copy",
  context: "config",
  contexts: "config",
  grant: "auth principal update",
  login: "config",
  principal: "auth principal",
  user: "auth principal",
  users: "auth principal list",
  whoami: "auth whoami",
  completions: "completion",
  usage: "help",
  man: "help",
  version: "--version",
};
