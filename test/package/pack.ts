/** Packs Tally once, for all of these tests, as `npm run pack` does for people. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** The packed Tally. */
    tarball: string;
    /** `git status` of the checkout before and after packing. */
    checkout: { before: string; after: string };
  }
}

export default function setup(project: TestProject): () => void {
  const root = path.resolve(import.meta.dirname, "../..");
  const folder = mkdtempSync(path.join(tmpdir(), "tally-package-"));
  const status = () =>
    execFileSync("git", ["status", "--porcelain", "--ignored"], { cwd: root, encoding: "utf8" });
  const before = status();
  execFileSync("npm", ["run", "--silent", "pack", "--", folder], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  project.provide("checkout", { before, after: status() });
  project.provide("tarball", path.join(folder, readdirSync(folder)[0]!));
  return () => rmSync(folder, { recursive: true });
}
