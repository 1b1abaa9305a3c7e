/** Who copies from the top of a page gets far: the command is named, and made, before it is used. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "../..");
const PAGES = ["README.md", ...readdirSync(path.join(ROOT, "docs")).map((name) => `docs/${name}`)].filter(
  (page) => page.endsWith(".md") && page !== "docs/ARCHITECTURE.md",
);
const ALIAS = 'alias tally="$PWD/bin/tally.mjs"';
/** A line of a block, or a part of a sentence. */
const USED = /^tally [a-z]|`tally [a-z]/m;

describe("the command tally", () => {
  it.each(PAGES)("of %s is made before it is used", (page) => {
    const text = readFileSync(path.join(ROOT, page), "utf8");
    const used = text.search(USED);
    if (used === -1) expect(text).not.toContain(ALIAS);
    else expect(text.slice(0, used)).toContain(ALIAS);
  });

  it("is made so, in any folder, and is the process that is ended", () => {
    const script = `shopt -s expand_aliases\n${ALIAS}\ncd /\ntally --version &\nwait $!\ntype tally`;
    const said = execFileSync("bash", ["--norc", "-c", script], { cwd: ROOT, encoding: "utf8" });
    const { version } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as {
      version: string;
    };
    expect(said).toBe(`${version}\ntally is aliased to \`${ROOT}/bin/tally.mjs'\n`);
  });
});
