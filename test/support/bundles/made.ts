/**
 * Tally in few files instead of five hundred, for the processes and threads that tests start: to find, read and link the
 * sources and the packages anew in each took a third to a half of its start (docs/decisions/0060).
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  globSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build, type Plugin } from "vite";
import {
  asRequired,
  builtinsAsRequired,
  judgesWhenAskedFor,
  processesWhenStarted,
  rulesWhenAskedFor,
} from "./lighter.ts";

export const ROOT = resolve(import.meta.dirname, "../../..");
/** What runs in threads of its own, or as a process beside a store's. */
export const THREADS = globSync("src/{stores/sqlite,cli}/*/*-worker.ts", { cwd: ROOT });
/** What tests start as processes of their own, again and again, beside the command. */
const PROGRAMS = ["crash/copier", "crash/sweeper", "faults/history-counting"].map(
  (name) => `test/proofs/${name}.ts`,
);
/** Those that are processes. */
const BESIDE = THREADS.filter((source) => /^src\/stores\/sqlite\/(backup|verify)\//.test(source));
/** Those that a store of a test's own process lends its work to, see lending.ts. */
const LENT = THREADS.filter((source) => source.startsWith("src/stores/sqlite/") && !BESIDE.includes(source));
// What Node has stripped and compiled once need not be done again, in whatever process of a test.
process.env.NODE_COMPILE_CACHE ??= join(ROOT, "node_modules/.cache/node");

/** What people install themselves, and need not be there. */
const OPTIONAL = Object.keys(
  JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).peerDependencies as object,
);

const LIGHTER = [builtinsAsRequired, judgesWhenAskedFor, processesWhenStarted, rulesWhenAskedFor];

/** Another run may still use one that old. */
const KEPT_MS = 24 * 3_600_000;

/**
 * Make them of the sources as they are now, if that has not been done.
 *
 * @returns  a folder as a package is one, with bin/ and dist/
 */
export async function bundled(): Promise<string> {
  const folder = join(ROOT, "node_modules/.cache/bundles", hashOfSources());
  if (existsSync(folder)) return folder;
  for (const old of globSync(join(dirname(folder), "*"))) {
    const { mtimeMs = 0 } = statSync(old, { throwIfNoEntry: false }) ?? {};
    if (mtimeMs < Date.now() - KEPT_MS) await rm(old, { recursive: true, force: true });
  }
  const made = `${folder}-${process.pid}`; // Others may be at it.
  for (const copied of ["bin", "package.json"])
    cpSync(join(ROOT, copied), join(made, copied), { recursive: true });
  const command = join(made, "bin/tally.mjs");
  writeFileSync(command, asRequired(readFileSync(command, "utf8")));
  await bundle(made, folder, ["src/cli/main.ts"]);
  for (const source of THREADS) await bundle(made, folder, [source]); // Each whole: to find ten files takes its time.
  await bundle(made, folder, PROGRAMS);
  for (const source of LENT) await bundle(made, folder, [source], "cjs");
  symlinkSync(join(ROOT, "gen"), join(made, "dist/gen"));
  await rename(made, folder).catch(() => rm(made, { recursive: true }));
  await compile(folder);
  return folder;
}

/** Where a source's bundle is, if it has one. */
export function bundleOf(folder: string, source: string): string {
  return join(folder, "dist", source.replace(/\.tsx?$/, ".js"));
}

/** The bundle of each module whose threads are lent, by the module, both as URLs. */
export function lentBundles(folder: string): Record<string, string> {
  return Object.fromEntries(
    LENT.map((source) => [
      urlOf(join(ROOT, source)),
      urlOf(join(folder, "dist", source.replace(/\.ts$/, ".cjs"))),
    ]),
  );
}

/** The same of each module that is run as a process. */
export function processBundles(folder: string): Record<string, string> {
  return Object.fromEntries(
    BESIDE.map((source) => [urlOf(join(ROOT, source)), urlOf(bundleOf(folder, source))]),
  );
}

const urlOf = (path: string) => pathToFileURL(path).href;

/** @param format  "cjs" for a file of its own, which is all of it */
async function bundle(
  made: string,
  folder: string,
  sources: readonly string[],
  format: "es" | "cjs" = "es",
): Promise<void> {
  const input = Object.fromEntries(
    sources.map((source) => [source.replace(/\.ts$/, ""), join(ROOT, source)]),
  );
  await build({
    root: ROOT,
    configFile: false,
    logLevel: "warn",
    plugins: [whereTheyWouldBe(folder), ...LIGHTER.map((plugin) => plugin())],
    ssr: { noExternal: true, external: ["better-sqlite3", "pg-native", ...OPTIONAL] }, // One is no JavaScript; not all have the others.
    build: {
      ssr: true,
      outDir: join(made, "dist"),
      emptyOutDir: false,
      target: "esnext",
      rolldownOptions: {
        input,
        output:
          format === "cjs"
            ? { format, entryFileNames: "[name].cjs", codeSplitting: false }
            : { entryFileNames: "[name].js", chunkFileNames: "shared/[name]-[hash].js" },
      },
    },
  });
}

/** A source that asks where it is finds what is beside it, whatever file it has become a part of. */
function whereTheyWouldBe(folder: string): Plugin {
  return {
    name: "where-they-would-be",
    transform(code, id) {
      const source = relative(ROOT, id);
      if (!source.startsWith("src/")) return undefined;
      const path = bundleOf(folder, source);
      return code
        .replaceAll("import.meta.url", JSON.stringify(pathToFileURL(path).href))
        .replaceAll("import.meta.dirname", JSON.stringify(dirname(path)));
    },
  };
}

/** Have Node.js keep what it has compiled, which it does at an end in order: most servers of tests are killed. */
async function compile(folder: string): Promise<void> {
  const data = mkdtempSync(join(tmpdir(), "tally-bundled-"));
  const args = ["serve", "--listen", "127.0.0.1:0", "--store", `sqlite:${join(data, "tally.db")}`];
  try {
    const server = spawn(process.execPath, [join(folder, "bin/tally.mjs"), ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(server, "close");
    server.stdout.on("data", (lines: Buffer) => lines.includes("server.ready") && server.kill("SIGTERM"));
    await ended;
  } finally {
    rmSync(data, { recursive: true });
  }
}

/** Of all that may be in them. */
function hashOfSources(): string {
  const hash = createHash("sha256");
  const sources = globSync(
    [
      "package{,-lock}.json",
      "bin/*",
      "{src,gen}/**/*.ts",
      ...PROGRAMS,
      "test/support/bundles/{made,lighter}.ts",
    ],
    { cwd: ROOT },
  );
  for (const source of sources.sort()) hash.update(`${source}\n`).update(readFileSync(join(ROOT, source)));
  return hash.digest("hex").slice(0, 16);
}
