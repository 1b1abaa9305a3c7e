import { fileURLToPath } from "node:url";
import { pause, type ServerProcess } from "../crash/server-process.ts";
import { residentBytes } from "../memory/process.ts";

/** To be loaded before a server that is to be asked. */
export const TELLS_ALIVE = fileURLToPath(new URL("./tells-alive.ts", import.meta.url));

/** What a server has, in MiB. */
export interface Memory {
  /** What is alive in it, after it was swept. */
  readonly alive: number;
  /** All of it, then. It takes Linux, for /proc. */
  readonly resident: number;
}

const TELLS_WITHIN_MS = 120_000;

/** Asks servers, which were loaded with TELLS_ALIVE, one after another. @throws Error  of one that does not say */
export async function memoryOf(server: ServerProcess): Promise<Memory> {
  const before = lastTold(server);
  process.kill(server.pid, "SIGUSR2");
  for (const untilMs = Date.now() + TELLS_WITHIN_MS; Date.now() < untilMs; await pause(20)) {
    const told = lastTold(server);
    if (told !== undefined && told.number !== before?.number)
      return { alive: mib(told.bytes), resident: mib(residentBytes(server.pid)) };
    if (!server.running) break;
  }
  throw new Error(`the server does not say what is alive in it:\n${server.output}`);
}

function lastTold({ output }: ServerProcess): { number: string; bytes: number } | undefined {
  const [, number, bytes] = [...output.matchAll(/^alive (\d+) (\d+)$/gm)].at(-1) ?? [];
  return number === undefined ? undefined : { number, bytes: Number(bytes) };
}

function mib(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
