import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { localLinksOf } from "./markdown.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const FILES = [".", "docs", "docs/decisions", "bench"].flatMap((folder) =>
  readdirSync(path.join(ROOT, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => path.join(folder, name)),
);

/** `"HEADING" in docs/FILE.md`, `docs/FILE.md says more under "HEADING"`, `docs/FILE.md, "HEADING"`, or the file alone. */
const DOCUMENT =
  /(?:"(?<above>[^"\n]+)" in )?(?<file>\bdocs\/[\w/-]+\.md)(?:(?:,| says more)?(?: under)? "(?<under>[A-Z][^"\n]+)")?/g;

describe("links between documents", () => {
  it.each(FILES)("those of %s lead somewhere", (file) => {
    const targets = localLinksOf(readFileSync(path.join(ROOT, file), "utf8"));
    const missing = targets.filter((target) => !existsSync(path.join(ROOT, path.dirname(file), target)));
    expect(missing).toEqual([]);
  });
});

describe("what messages and comments say is in a document", () => {
  const sources = ["src", "bin", "proto", "deploy", "scripts"].flatMap((folder) =>
    readdirSync(path.join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((name) =>
      path.join(folder, name),
    ),
  );
  const said = sources
    .filter((name) => /\.(ts|tsx|mjs|proto|service|sh|toml|ya?ml)$/.test(name))
    .flatMap((source) => {
      const text = readFileSync(path.join(ROOT, source), "utf8");
      return [...text.matchAll(DOCUMENT)].map(({ groups }) => ({ source, ...groups }));
    }) as { source: string; file: string; under?: string; above?: string }[];
  const headings = said.filter(({ under, above }) => (under ?? above) !== undefined);

  it("is there: the document, and where one is named its heading", () => {
    const missing = said.filter(({ file, under, above }) => {
      if (!existsSync(path.join(ROOT, file))) return true;
      const heading = under ?? above;
      return heading !== undefined && !headingsOf(file).includes(heading);
    });
    expect(missing).toEqual([]);
    expect(new Set(headings.map(({ under, above }) => under ?? above))).toEqual(
      new Set(["After a change by hand", "Exit codes", "What a start refuses", "While a server has it"]),
    );
  });

  function headingsOf(file: string): string[] {
    const text = readFileSync(path.join(ROOT, file), "utf8");
    return [...text.matchAll(/^#{1,4} (.*)$/gm)].map(([, heading]) => heading!);
  }
});

describe("the index of decisions", () => {
  const folder = path.join(ROOT, "docs/decisions");

  it("lists every decision, in order", () => {
    const index = readFileSync(path.join(folder, "README.md"), "utf8");
    const records = readdirSync(folder).filter((name) => /^\d{4}-.*\.md$/.test(name));
    expect(localLinksOf(index).filter((target) => /^\d{4}-/.test(target))).toEqual(records.sort());
  });
});
