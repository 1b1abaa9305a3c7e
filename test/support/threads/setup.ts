/**
 * The threads of SQLite's stores, each in one file instead of a hundred: tests open thousands of stores, and to find, read
 * and link the sources anew in each thread took a third of that. Processes load the sources, as they always do.
 */
import { createHash } from "node:crypto";
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "vite";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** The bundle of each of these modules, both as URLs. */
    readonly threads: Readonly<Record<string, string>>;
  }
}

const ROOT = resolve(import.meta.dirname, "../../..");
/** Another run may still use one that old. */
const KEPT_MS = 24 * 3_600_000;
const MODULES = globSync("src/stores/sqlite/*/*-worker.ts", { cwd: ROOT });

export default async function setup(project: TestProject): Promise<void> {
  // Who watches the sources changes them.
  project.provide("threads", project.config.watch ? {} : await bundled());
}

async function bundled(): Promise<Record<string, string>> {
  const folder = join(ROOT, "node_modules/.cache/threads", hashOfSources());
  if (!existsSync(folder)) await bundle(folder);
  const url = (path: string) => pathToFileURL(path).href;
  return Object.fromEntries(
    MODULES.map((module) => [url(join(ROOT, module)), url(join(folder, `${nameOf(module)}.js`))]),
  );
}

async function bundle(folder: string): Promise<void> {
  for (const old of globSync(join(dirname(folder), "*"))) {
    const { mtimeMs = 0 } = statSync(old, { throwIfNoEntry: false }) ?? {};
    if (mtimeMs < Date.now() - KEPT_MS) await rm(old, { recursive: true, force: true });
  }
  const made = `${folder}-${process.pid}`; // Others may be at it.
  const input = Object.fromEntries(MODULES.map((module) => [nameOf(module), join(ROOT, module)]));
  await build({
    root: ROOT,
    configFile: false,
    logLevel: "warn",
    build: { ssr: true, outDir: made, target: "esnext", rolldownOptions: { input } },
  });
  await rename(made, folder).catch(() => rm(made, { recursive: true }));
}

function nameOf(module: string): string {
  return basename(module, ".ts");
}

/** Of all that may be in them. */
function hashOfSources(): string {
  const hash = createHash("sha256");
  const sources = [
    "package-lock.json",
    "test/support/threads/setup.ts",
    ...globSync("src/**/*.ts", { cwd: ROOT }),
  ];
  for (const source of sources.sort()) hash.update(`${source}\n`).update(readFileSync(join(ROOT, source)));
  return hash.digest("hex").slice(0, 16);
}
