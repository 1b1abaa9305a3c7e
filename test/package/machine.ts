/** The machines that people install Tally on: a Node.js on the PATH, and nothing of this checkout. */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll } from "vitest";

export const NEW = { path: process.execPath, version: process.versions.node };

/** The environment of somebody whose `node` is this one; other ones come after it on the PATH. */
export function withFirst(node: string): NodeJS.ProcessEnv {
  return { ...outside(), PATH: [folderOf(node), outside().PATH, dirname(NEW.path)].join(delimiter) };
}

/** The environment of somebody new to this machine, where this `node` is the only one. */
export function withOnly(node: string): NodeJS.ProcessEnv {
  return { PATH: folderOf(node), HOME: temporary(), N_PREFIX: "/nowhere" };
}

/** For an npm that installs: it asks the registry for nothing that it has, and not what is wrong with it. */
export const QUIET = ["--prefer-offline", "--no-audit", "--no-fund"];

/** Run npm as its user would, with what a checkout's `npm run` has set taken away. */
export async function npm(
  args: readonly string[],
  { cwd, env = outside() }: { cwd: string; env?: NodeJS.ProcessEnv },
): Promise<{ code: number; stdout: string; stderr: string }> {
  try {
    const ended = await promisify(execFile)("npm", args, { cwd, env, timeout: 230_000 });
    return { code: 0, ...ended };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout: string; stderr: string };
    if (typeof code !== "number") throw error;
    return { code, stdout, stderr };
  }
}

/** A folder that is there until the end of the file's tests. */
export function temporary(): string {
  const path = mkdtempSync(join(tmpdir(), "tally-package-"));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const shims = mkdtempSync(join(tmpdir(), "tally-package-"));
afterAll(() => rmSync(shims, { recursive: true }));

/** A folder with a `node` and nothing else: a system's own has all its other programs too. */
function folderOf(node: string): string {
  const folder = join(shims, node.replaceAll("/", "-"));
  if (existsSync(folder)) return folder;
  mkdirSync(folder);
  symlinkSync(node, join(folder, "node"));
  return folder;
}

/** This process's environment without the checkout's: what `npm run` and bin/with-node have added. */
function outside(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_(?!config_(cache|registry|cafile|.*proxy)$)|INIT_CWD$|NODE_COMPILE_CACHE$|VITEST|NODE_ENV$)/.test(
        name,
      ),
  );
  const path = process.env.PATH!.split(delimiter).filter((folder) => !/node_modules/.test(folder));
  return { ...Object.fromEntries(kept), PATH: path.join(delimiter) };
}
