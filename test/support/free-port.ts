import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

/**
 * A port of 127.0.0.1 that nobody has, for a server that must know its port before it starts, or has it again after it
 * was killed.
 *
 * None that a system gives out by itself, to whoever listens on port 0 or connects: then a stranger's server, of a test
 * that runs beside this one, could answer in the place of one that has ended. And none that a test of the last hour was
 * given, in whichever process.
 */
export async function freePort(): Promise<number> {
  mkdirSync(GIVEN, { recursive: true });
  for (;;) {
    const port = randomInt(FIRST, LAST + 1);
    if (take(join(GIVEN, `${port}`)) && (await isFree(port))) return port;
  }
}

/** A file for each port that was given, of all runs of one user on this machine. */
const GIVEN = join(tmpdir(), `tally-test-ports-${userInfo().username}`);
const GIVEN_FOR_MS = 3_600_000;

/** Below them are what services listen on, above them what Linux (32768), macOS and Windows (49152) give out. */
const FIRST = 12_000;
const LAST = 31_999;

function take(file: string): boolean {
  try {
    writeFileSync(file, "", { flag: "wx" });
    return true;
  } catch {
    const { mtimeMs = Date.now() } = statSync(file, { throwIfNoEntry: false }) ?? {};
    if (Date.now() - mtimeMs < GIVEN_FOR_MS) return false;
    utimesSync(file, new Date(), new Date());
    return true;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
