/** Flips bits in a file, page by page, and counts what comes of it. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HandClock } from "../../../support/clock.ts";
import { freshSeed, type Random, seededRandom } from "../../crash/random.ts";
import { type Made, makeFile, momentOf, open } from "./file.ts";
import { type Answers, expectedOf, judge, stateOf, type Verdict } from "./questions.ts";

export interface Row {
  readonly tree: string;
  readonly pages: number;
  right: number;
  refused: number;
  silent: number;
}

export interface Table {
  readonly seed: number;
  readonly rows: Row[];
  /** By question: how many flips it was wrong at without a word, and one example. */
  readonly lies: Map<string, { count: number; example: string }>;
}

/**
 * @param flips  how many bits in each b-tree, each in a fresh copy
 * @param only   b-trees whose names contain it
 * @param damage  what is done to a page
 * @param onRow  told of each when it is done
 * @param onLie  told of each wrong answer
 */
export function rotTable(
  dir: string,
  flips: number,
  seed = freshSeed(),
  {
    only = "",
    damage = "bit",
    onRow = () => {},
    onLie = () => {},
  }: { only?: string; damage?: Damage; onRow?: (row: Row) => void; onLie?: (lie: string) => void } = {},
): Table {
  const random = seededRandom(seed);
  const made = makeFile(join(dir, "made.db"), random.fork());
  const path = join(dir, "rotten.db");
  const expected = new Map(expectedIn(path, made));
  const rows: Row[] = [];
  const lies: Table["lies"] = new Map();
  for (const [tree, pages] of made.pages) {
    if (!tree.includes(only)) continue;
    const row: Row = { tree, pages: pages.length, right: 0, refused: 0, silent: 0 };
    for (let n = 0; n < flips; n++) {
      const bytes = Buffer.from(made.bytes);
      const where = `${tree}, ${DAMAGES[damage](pages, made.pageBytes, bytes, random)}`;
      writeFresh(path, bytes);
      const verdicts = judge(path, made, expected, random.fork());
      row[kindOf([...verdicts.values()])]++;
      for (const [question, verdict] of verdicts) {
        if (typeof verdict === "string") continue;
        onLie(`SILENT ${question}, as ${where}: ${verdict.silent}`);
        const before = lies.get(question);
        const example = before?.example ?? `${where}: ${verdict.silent}`;
        lies.set(question, { count: (before?.count ?? 0) + 1, example });
      }
    }
    rows.push(row);
    onRow(row);
  }
  return { seed, rows, lies };
}

export function show({ seed, rows, lies }: Table): string {
  const lines = [`seed ${seed}`, "| b-tree | pages | right | refused | SILENT |", "|---|---|---|---|---|"];
  for (const { tree, pages, right, refused, silent } of rows)
    lines.push(`| ${tree} | ${pages} | ${right} | ${refused} | ${silent} |`);
  for (const [question, { count, example }] of lies)
    lines.push(`SILENT ${question}: ${count}, as ${example}`);
  return lines.join("\n");
}

function expectedIn(path: string, made: Made): Answers {
  writeFresh(path, made.bytes);
  const clock = new HandClock(made.wallMs);
  const connection = open(path, clock);
  const state = stateOf(connection, clock);
  const expected = expectedOf(path, made);
  connection.close(momentOf(clock));
  return new Map([...expected, ["state", state]]);
}

function writeFresh(path: string, bytes: Buffer): void {
  for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true });
  writeFileSync(path, bytes);
}

type Damaging = (pages: readonly number[], pageBytes: number, bytes: Buffer, random: Random) => string;

/** What happens to pages: a bit flips; a sector or a page was never written; a page was written in another's place. */
export const DAMAGES = {
  bit: (pages, pageBytes, bytes, random) => {
    const { at, bit } = placeIn(pages, pageBytes, bytes, random);
    bytes[at]! ^= 1 << bit;
    return `byte ${at % pageBytes} of page ${Math.floor(at / pageBytes) + 1}, bit ${bit}`;
  },
  zeros: (pages, pageBytes, bytes, random) => {
    const page = random.pick(pages);
    const length = random.pick([pageBytes, 512]);
    const at = length * random.between(0, pageBytes / length - 1);
    bytes.fill(0, (page - 1) * pageBytes + at, (page - 1) * pageBytes + at + length);
    return `${length} bytes of zeros at ${at} of page ${page}`;
  },
  misplaced: (pages, pageBytes, bytes, random) => {
    const [page, other] = [random.pick(pages), random.pick(pages)];
    bytes.copy(bytes, (page - 1) * pageBytes, (other - 1) * pageBytes, other * pageBytes);
    return `page ${other} in the place of page ${page}`;
  },
} as const satisfies Readonly<Record<string, Damaging>>;
export type Damage = keyof typeof DAMAGES;

/** A third of the flips in the heads of pages, the others where something is stored or beside it. */
function placeIn(pages: readonly number[], pageBytes: number, bytes: Buffer, random: Random) {
  const start = (random.pick(pages) - 1) * pageBytes;
  const stored: number[] = [];
  for (let at = start; at < start + pageBytes; at++) {
    if (bytes[at] !== 0 || bytes[at - 1] !== 0 || bytes[at + 1] !== 0) stored.push(at);
  }
  const at = random.between(0, 2) === 0 ? start + random.between(0, 40) : random.pick(stored);
  return { at, bit: random.between(0, 7) };
}

function kindOf(verdicts: readonly Verdict[]): "right" | "refused" | "silent" {
  if (verdicts.some((verdict) => typeof verdict !== "string")) return "silent";
  return verdicts.includes("refused") ? "refused" : "right";
}
