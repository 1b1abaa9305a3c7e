/** Pages that show what one sees: their blocks are run in one shell, in order, and print what they say they print. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { freePort } from "../proofs/crash/server-process.ts";
import { blocksOf } from "./markdown.ts";
import { Shell } from "./shell.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** Tests of a page of the documentation. @param page  its path in the repository: "docs/tour.md" */
export async function runsAsShown(page: string): Promise<void> {
  const blocks = blocksOf(readFileSync(path.join(ROOT, page), "utf8"));
  const commands = blocks.filter(({ language }) => language === "sh");
  const home = mkdtempSync(path.join(tmpdir(), "tally-page-"));
  const address = `127.0.0.1:${await freePort()}`;
  const shell = new Shell(home, {
    HOME: home,
    PATH: pathWithTally(home),
    TALLY_LISTEN: address,
    TALLY_SERVER: address,
  });

  afterAll(async () => {
    await shell.close();
    rmSync(home, { recursive: true });
  });

  describe(page, () => {
    for (const { code, line, shows } of commands) {
      it(`${page}:${line} runs, and shows what it says`, async () => {
        const { output, failed } = await shell.run(code.replaceAll(USUAL, address));
        expect({ failed, output: comparable(output.replaceAll(address, USUAL)) }).toEqual({
          failed: [],
          output: comparable(shows?.code ?? ""),
        });
      });
    }

    it("has no block that nothing runs", () => {
      expect(
        blocks.filter((block) => !commands.some((command) => command === block || command.shows === block)),
      ).toEqual([]);
    });
  });
}

/** Where pages have the server listen. */
const USUAL = "127.0.0.1:8080";

/** `tally` as an installation has it, and the Node.js of these tests. */
function pathWithTally(home: string): string {
  const bin = path.join(home, "bin");
  mkdirSync(bin);
  symlinkSync(path.join(ROOT, "bin/tally.mjs"), path.join(bin, "tally"));
  symlinkSync(process.execPath, path.join(bin, "node"));
  return `${bin}:${process.env.PATH}`;
}

/** What differs from run to run is compared by its form only. */
function comparable(printed: string): string {
  return printed
    .replaceAll(/\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{3})?Z| \d\d:\d\d)/g, "TIME")
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "UID")
    .replaceAll(/[\d.]+ ms$/gm, "N ms")
    .replaceAll(/room in [\dhms]+\./g, "room in a while.")
    .replaceAll(/^retry-after: \d+$/gm, "retry-after: N")
    .replaceAll(/^(No answer from \S+) \(.*\); trying again/gm, "$1; trying again")
    .replaceAll(
      /\d+ calls?, \d+ retr(y|ies), [\d.]+ s, [\d,]+ lines\/s/g,
      "N calls, N retries, N s, N lines/s",
    );
}
