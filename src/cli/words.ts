/** The words of a command line before commander sees them: where options may stand, and what people type from habit. */

/** Options of every command on a server, which may stand before it as well; true for those with a value. */
const COMMON_OPTIONS: Readonly<Record<string, boolean>> = {
  "--server": true,
  "--context": true,
  "--ca-file": true,
  "--api-key-file": true,
  "--plaintext-key": false,
  "--timeout": true,
  "--output": true,
  "-o": true,
  "--quiet": false,
  "-q": false,
};

/** `tally --server HOST inc visits` is `tally inc --server HOST visits`. */
export function commandFirst(words: readonly string[]): readonly string[] {
  let at = 0;
  for (;;) {
    const word = words[at] ?? "";
    const [flag = ""] = word.split("=", 1);
    if (!Object.hasOwn(COMMON_OPTIONS, flag)) break;
    at += COMMON_OPTIONS[flag] && flag === word ? 2 : 1;
  }
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
