import { spawn } from "node:child_process";
import { once } from "node:events";
import { TALLY } from "../../support/bundles/command.ts";

/** How a command ended, and what it said. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

/** Run `tally`, and kill it (SIGKILL) after a time, if one is given. */
export async function tally(args: readonly string[], killAfterMs?: number): Promise<Ran> {
  const began = performance.now();
  const child = spawn(process.execPath, [TALLY, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].on("data", (chunk: Buffer) => {
      said[name] += chunk;
    });
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(timer);
  return { code, ...said, ms: performance.now() - began };
}
