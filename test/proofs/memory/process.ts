import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { pause } from "../crash/server-process.ts";

/** What a process has in memory (VmRSS), in bytes. It takes Linux, for /proc. */
export function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) * 1024;
}

/** How many sockets a process has. */
export function openSockets(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((fd) => {
    try {
      return readlinkSync(join(folder, fd)).startsWith("socket:");
    } catch {
      return false; // Closed by now.
    }
  }).length;
}

/** A connection that breaks off with half a request is closed at once; one that has calls in flight, within 10 s, on a machine
 * that has nothing else to do; left to the keepalive it would be two minutes. */
const GONE_MS = 60_000;

/** Resolves when no more sockets are open than there were, and one of a client beside. */
export async function socketsGone(pid: number, were: number): Promise<void> {
  for (const until = Date.now() + GONE_MS; openSockets(pid) > were + 1; await pause(50)) {
    if (Date.now() > until)
      throw new Error(`${openSockets(pid) - were} sockets are left, ${GONE_MS} ms after their end`);
  }
}
