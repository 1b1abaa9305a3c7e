import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, createReadStream, openSync, statSync } from "node:fs";
import { text } from "node:stream/consumers";
import { RPC, TallyClient } from "../../../src/client/client.ts";
import { TALLY } from "../../support/bundles/command.ts";
import { freePort } from "../../support/free-port.ts";
import { ServerProcess } from "../crash/server-process.ts";
import { sortUniq } from "../real-input/words.ts";

/** A file to count, one name a line or in a field of it. */
export interface Counted {
  readonly path: string;
  /** As for awk; undefined when the line is the name. */
  readonly field: number | undefined;
}

/** What `tally count` came to. */
export interface Run {
  readonly lines: number;
  readonly names: number;
  readonly retries: number;
  /** From its start to its end, that of Node.js included. */
  readonly seconds: number;
  /** Counters that are not what `sort | uniq -c` says. */
  readonly faults: readonly string[];
}

/**
 * Have one `tally count` count a file on a new server, and compare every counter with `sort | uniq -c`.
 *
 * @param folder  for the data file and what is compared
 * @param kill    whether the server is sent SIGKILL when half of the file has been taken, and started again
 */
export async function countFile(input: Counted, folder: string, kill: boolean): Promise<Run> {
  const names = namesOf(input, folder);
  const expected = sortUniq(names);
  const [port, file] = [await freePort(), `${folder}/tally-${Date.now()}.db`];
  let server = new ServerProcess({ port, store: `sqlite:${file}` });
  try {
    await server.ready();
    const startedAt = performance.now();
    const args = input.field === undefined ? [] : ["--field", `${input.field}`];
    const child = spawn(
      process.execPath,
      [TALLY, "count", "--server", `127.0.0.1:${port}`, "-q", "-o", "json", ...args],
      {
        stdio: [kill ? "pipe" : openSync(input.path, "r"), "pipe", "inherit"],
      },
    );
    const ended = once(child, "close");
    const printed = text(child.stdout!);
    if (kill) {
      await pass(input.path, child.stdin!, async () => {
        await server.kill();
        server = new ServerProcess({ port, store: `sqlite:${file}` });
        await server.ready();
      });
    }
    const [code] = await ended;
    const seconds = (performance.now() - startedAt) / 1000;
    const { lines, counted, retries } = JSON.parse(await printed);
    const faults = await differences(port, expected);
    if (code !== 0) faults.push(`tally count ended with ${code}`);
    if (counted !== lines) faults.push(`${counted} of ${lines} lines counted`);
    return { lines, names: expected.size, retries, seconds, faults };
  } finally {
    if (server.running) await server.kill();
  }
}

/** A file with just the names, one a line. */
export function namesOf({ path, field }: Counted, folder: string): string {
  if (field === undefined) return path;
  const names = `${folder}/names`;
  const out = openSync(names, "w");
  const env = { ...process.env, LC_ALL: "C" }; // Bytes, not characters.
  const { status } = spawnSync("awk", [`{print $${field}}`, path], {
    env,
    stdio: ["ignore", out, "inherit"],
  });
  closeSync(out);
  if (status !== 0) throw new Error(`awk ended with ${status}`);
  return names;
}

/** Pass a file on, as fast as it is taken; half-way, have something happen meanwhile. */
async function pass(path: string, to: NodeJS.WritableStream, halfway: () => Promise<void>): Promise<void> {
  const half = statSync(path).size / 2;
  let passed = 0;
  let happening: Promise<void> | undefined;
  for await (const chunk of createReadStream(path)) {
    if (!to.write(chunk)) await once(to, "drain");
    passed += chunk.length;
    if (passed > half) happening ??= halfway();
  }
  to.end();
  await happening;
}

/** Walk all counters of a server: there are just those that are expected, with just their values. */
async function differences(port: number, expected: ReadonlyMap<string, bigint>): Promise<string[]> {
  const faults: string[] = [];
  const client = new TallyClient({ server: `127.0.0.1:${port}` });
  let found = 0;
  for (let pageToken = ""; ; ) {
    const page = await client.call(RPC.listCounters, { pageSize: 1_000, pageToken });
    for (const { name, value } of page.counters) {
      found++;
      const wanted = expected.get(name);
      if (value !== wanted) faults.push(`${name}: expected ${wanted}, got ${value}`);
    }
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  client.close();
  if (found !== expected.size) faults.push(`expected ${expected.size} counters, got ${found}`);
  return faults;
}
