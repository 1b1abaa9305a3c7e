import { execFile, execFileSync } from "node:child_process";
import { accessSync, chownSync, constants, readdirSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Need } from "../needs.ts";

/**
 * The folder of PostgreSQL's programs: of the newest that Debian's packages have put there, else of the one in PATH.
 * Undefined where there is none.
 */
export function postgresBinaries(): string | undefined {
  const versions = readdirIfThere("/usr/lib/postgresql").sort((a, b) => Number(b) - Number(a));
  const folders = versions.map((version) => `/usr/lib/postgresql/${version}/bin`);
  return [...folders, ...(process.env.PATH ?? "").split(":")].find((folder) =>
    ["initdb", "postgres", "psql", "pg_basebackup"].every((name) => isExecutable(join(folder, name))),
  );
}

export const POSTGRES: Need = {
  name: "PostgreSQL",
  install: "apt-get install postgresql",
  here: postgresBinaries() !== undefined,
};

export function binary(name: string): string {
  const folder = postgresBinaries();
  if (folder === undefined) throw new Error(`PostgreSQL is not here; to have it: ${POSTGRES.install}`);
  return join(folder, name);
}

const run = promisify(execFile);

/** PostgreSQL refuses to run as root, and so do those of its programs that write its files. */
export function runAsServer(name: string, args: readonly string[]): Promise<unknown> {
  return run("setpriv", [...identity(), "--", binary(name), ...args], { cwd: tmpdir() });
}

export function identity(): string[] {
  const ids = serverIds();
  return ids === undefined ? [] : [`--reuid=${ids.uid}`, `--regid=${ids.gid}`, "--clear-groups"];
}

/** Whom the server runs as where we are root: the user that Debian's package makes. Undefined for "as we are". */
function serverIds(): { uid: number; gid: number } | undefined {
  if (process.getuid!() !== 0) return undefined;
  const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

/** @param parent  where it is to be */
export async function newFolder(parent: string): Promise<string> {
  const folder = await mkdtemp(join(parent, "tally-postgres-"));
  giveToServer(folder);
  return folder;
}

export function giveToServer(path: string): void {
  const ids = serverIds();
  if (ids !== undefined) chownSync(path, ids.uid, ids.gid);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function readdirIfThere(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
