/** Pages that show what one sees: their blocks are run in one shell, in order, and print what they say they print. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { TALLY } from "../support/bundles/command.ts";
import { freePort } from "../support/free-port.ts";
import { describeWith, type Need } from "../support/needs.ts";
import { blocksOf } from "./markdown.ts";
import { Shell } from "./shell.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** What a page needs beside Tally. */
interface Surroundings {
  readonly needs?: readonly Need[];
  /** Ports that it has, beside Tally's; there are others in their place. */
  readonly ports?: readonly number[];
  /** Files of the checkout that it names, from where they are, and what a busy machine needs changed in them. */
  readonly files?: Readonly<Record<string, (text: string) => string>>;
  /** Languages of blocks that its test tries in another way. */
  readonly others?: readonly string[];
  /** The program that it calls `tally`. */
  readonly tally?: string;
}

/** Tests of a page of the documentation. @param page  its path in the repository: "docs/tour.md" */
export async function runsAsShown(
  page: string,
  { needs = [], ports = [], files = {}, others = [], tally = TALLY }: Surroundings = {},
): Promise<void> {
  const blocks = blocksOf(readFileSync(path.join(ROOT, page), "utf8"));
  const commands = blocks.filter(({ language }) => language === "sh");
  const home = mkdtempSync(path.join(tmpdir(), "tally-page-"));
  afterAll(() => rmSync(home, { recursive: true }));
  const own = new Map([[USUAL_PORT, await freePort()]]);
  for (const port of ports) own.set(port, await freePort());
  const address = `127.0.0.1:${own.get(USUAL_PORT)}`;
  const withOwn = (text: string) =>
    text.replaceAll(/\b\d{4,5}\b/g, (port) => `${own.get(Number(port)) ?? port}`);
  const asUsual = (text: string) =>
    [...own].reduce((shown, [usual, port]) => shown.replaceAll(`:${port}`, `:${usual}`), text);
  for (const [file, changed] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(home, file)), { recursive: true });
    writeFileSync(path.join(home, file), changed(withOwn(readFileSync(path.join(ROOT, file), "utf8"))));
  }

  describeWith(needs, page, () => {
    let shell: Shell;
    beforeAll(() => {
      const env = {
        HOME: home,
        PATH: pathWithTally(home, tally),
        TALLY_LISTEN: address,
        TALLY_SERVER: address,
      };
      shell = new Shell(home, env);
    });
    afterAll(() => shell.close());

    for (const { code, line, shows } of commands) {
      it(`${page}:${line} runs, and shows what it says`, async () => {
        const { output, failed } = await shell.run(withOwn(code));
        expect({ failed, output: comparable(asUsual(output)) }).toEqual({
          failed: [],
          output: comparable(shows?.code ?? ""),
        });
      });
    }

    it("has no block that nothing runs", () => {
      expect(
        blocks.filter(
          (block) =>
            !commands.some((command) => command === block || command.shows === block) &&
            !others.includes(block.language),
        ),
      ).toEqual([]);
    });
  });
}

/** Where pages have the server listen. */
const USUAL_PORT = 8080;

/** `tally` as an installation has it, and the Node.js of these tests. */
function pathWithTally(home: string, command: string): string {
  const bin = path.join(home, "bin");
  mkdirSync(bin);
  symlinkSync(command, path.join(bin, "tally"));
  symlinkSync(process.execPath, path.join(bin, "node"));
  return `${bin}:${process.env.PATH}`;
}

/** What differs from run to run is compared by its form only. */
function comparable(printed: string): string {
  return printed
    .replaceAll(/\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{3})?Z| \d\d:\d\d)/g, "TIME")
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "UID")
    .replaceAll(/(?<=^The principal admin of ).*(?= may do everything\. Its key )/gm, "STORE")
    .replaceAll(/(?<=\bkey )[0-9A-Za-z]{12}(?= is not shown again)/g, "ID")
    .replaceAll(/(?<=^store +SQLite )(?:[\d.]+, )?\S+(?=\/)/gm, "FOLDER")
    .replaceAll(/(?<=^(epoch|before) +)[0-9a-f]{8}$/gm, "EPOCH")
    .replaceAll(/\b[0-9a-f]{64}\b/g, "DIGEST")
    .replaceAll(/"(schema|bytes)": \d+/g, '"$1": N')
    .replaceAll(/[\d.]+ MiB$/gm, "N MiB")
    .replaceAll(/(?<=^history +)\d+ rows?/gm, "N rows") // Those that were on disk by then.
    .replaceAll(/[\d.]+ s, [\d,]+ counters\/s/g, "N s, N counters/s")
    .replaceAll(/[\d.]+ MiB, in [\d.]+ s\./g, "N MiB, in N s.")
    .replaceAll(/(?<=^done +in )[\d.]+ s/gm, "N s")
    .replaceAll(/[\d.]+ ms$/gm, "N ms")
    .replaceAll(/room in [\dhms]+\./g, "room in a while.")
    .replaceAll(/^retry-after: \d+$/gm, "retry-after: N")
    .replaceAll(/^(No answer from \S+) \(.*\); trying again/gm, "$1; trying again")
    .replaceAll(
      /\d+ calls?, \d+ retr(y|ies), [\d.]+ s, [\d,]+ lines\/s/g,
      "N calls, N retries, N s, N lines/s",
    );
}
