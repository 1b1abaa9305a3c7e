import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Text that people wrote, and that is on every machine that can run this: the documentation of our packages. */
const TEXTS = fileURLToPath(new URL("../../../node_modules", import.meta.url));
const IS_TEXT = /\.md$|\.d\.ts$/;
const NAME_BYTES_MAX = 200;

/**
 * Write words of real text to a file, one a line: whatever stands between white space, in whatever bytes.
 *
 * @returns  how many, and how many were left out because their name would be too long
 */
export function writeWords(path: string, wanted: number): { words: number; tooLong: number } {
  const words: string[] = [];
  let tooLong = 0;
  for (const file of textsIn(TEXTS)) {
    for (const word of readFileSync(file, "latin1").split(/[ \t\n\v\f\r]+/)) {
      if (word === "") continue;
      if (nameOf(word).length > NAME_BYTES_MAX) tooLong++;
      else words.push(word);
      if (words.length === wanted) break;
    }
    if (words.length === wanted) break;
  }
  writeFileSync(path, `${words.join("\n")}\n`, "latin1");
  return { words: words.length, tooLong };
}

/** How often each word is there, as `sort | uniq -c` says: by the name of its counter. */
export function sortUniq(path: string): Map<string, bigint> {
  const { stdout, status, stderr } = spawnSync("sh", ["-c", 'sort "$1" | uniq -c', "sh", path], {
    encoding: "latin1",
    maxBuffer: 2 ** 30,
    env: { ...process.env, LC_ALL: "C" },
  });
  if (status !== 0) throw new Error(`sort | uniq -c: ${stderr}`);
  const counts = new Map<string, bigint>();
  for (const line of stdout.split("\n").slice(0, -1)) {
    const [, count, word] = line.match(/^ *(\d+) (.*)$/s)!;
    counts.set(nameOf(word!), BigInt(count!));
  }
  return counts;
}

/** The counter's name for a word; each character stands for a byte. */
function nameOf(word: string): string {
  const encoded = word.replace(
    /[^!-$&-~]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
  return encoded.replace(/^-/, "%2D");
}

function* textsIn(folder: string): Generator<string> {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* textsIn(path);
    else if (entry.isFile() && IS_TEXT.test(entry.name)) yield path;
  }
}
