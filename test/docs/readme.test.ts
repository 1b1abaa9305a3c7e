/**
 * The README does what it says: its own command starts the server, and every block is run against it, in order.
 * Only the address is another, and the data file.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ErrorReasonSchema } from "../../gen/tally/v1/error_reason_pb.ts";
import { KEYS, loadConfig } from "../../src/config.ts";
import { run } from "../doors/clients/client.ts";
import { GRPCURL } from "../doors/clients/grpcurl.ts";
import { PYTHON } from "../doors/clients/python.ts";
import { Connection, Unanswered } from "../proofs/crash/connection.ts";
import { pause } from "../proofs/crash/server-process.ts";
import { freePort } from "../support/free-port.ts";
import { describeWith, type Need, program } from "../support/needs.ts";
import { type Block, blocksOf } from "./markdown.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const README = readFileSync(path.join(ROOT, "README.md"), "utf8");
const BLOCKS = blocksOf(README);
const START = "npm ci && npm start\n";
const TEST = "npm ci && npm test\n";

const folder = mkdtempSync(path.join(tmpdir(), "tally-readme-"));
let server: ChildProcess;
let address: string;

beforeAll(async () => {
  const port = await freePort();
  address = `127.0.0.1:${port}`;
  process.env.TALLY_SERVER = address; // For `npx .`, whose address is the default.
  // This checkout has been through `npm ci`; the gate runs it in a fresh clone.
  const command = START.replace("npm ci && ", "exec ").trim();
  const store = `sqlite:${path.join(folder, "tally.db")}`;
  server = spawn("bash", ["-c", `${command} -- --listen ${address} --store ${store}`], {
    cwd: ROOT,
    stdio: "ignore",
  });
  await untilServing(port);
});

afterAll(async () => {
  if (server?.exitCode === null) server.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

describe("the README's blocks", () => {
  for (const block of BLOCKS.filter(({ code }) => code !== START && code !== TEST)) {
    const where = `README.md:${block.line}`;
    if (block.language === "sh") shellBlock(where, block);
    else if (block.language === "python") pythonBlock(where, block);
    else if (block.language === "toml") tomlBlock(where, block);
    else if (!BLOCKS.some(({ shows }) => shows === block))
      throw new Error(`${where}: nothing runs this block`);
  }

  it("starting and testing are one command each", () => {
    expect(BLOCKS.slice(0, 2).map(({ code }) => code)).toEqual([START, TEST]);
  });

  it("SIGTERM to npm start stops the server, which exits with 0", async () => {
    server.kill("SIGTERM");
    expect(await once(server, "exit")).toEqual([0, null]);
  });
});

describe("the README's tables", () => {
  it("every reason of an error is in it, and no other", () => {
    const table = README.slice(README.indexOf("## Errors"), README.indexOf("## Limits"));
    const named = [...table.matchAll(/`([A-Z]+(?:_[A-Z]+)*)`/g)].map(([, reason]) => reason);
    const reasons = ErrorReasonSchema.values
      .map(({ name }) => name)
      .filter((name) => !/UNSPECIFIED/.test(name));
    expect(new Set(named)).toEqual(new Set(reasons));
  });

  it("every setting that it names exists", () => {
    const limits = README.slice(README.indexOf("## Limits"), README.indexOf("## Configuration"));
    const named = [...limits.matchAll(/`([a-z]+(?:-[a-z]+)+)`/g)].map(([, setting]) => setting);
    expect(Object.values(KEYS).map(({ name }) => name)).toEqual(expect.arrayContaining(named));
    expect(named.length).toBeGreaterThan(5);
  });
});

function shellBlock(where: string, { code, shows }: Block): void {
  const tools = TOOLS.filter(({ name }) => new RegExp(`^${name} `, "m").test(code));
  test(where, tools, "runs, and shows what it says", async () => {
    const {
      code: exit,
      stdout,
      stderr,
    } = code.includes(INIT)
      ? await fresh(code)
      : await run("bash", ["--norc", "-euo", "pipefail", "-c", addressed(code)]);
    expect({ exit, stderr: exit === 0 ? "" : stderr }).toEqual({ exit: 0, stderr: "" });
    const printed = stdout === "" ? stderr : stdout;
    if (shows?.language === "text") expect(printed).toBe(shows.code);
    else if (shows !== undefined)
      expect(comparable(JSON.parse(printed))).toEqual(comparable(JSON.parse(shows.code)));
  });
}

/** What makes a store of its own is run in a folder of its own, with a server of its own. */
const INIT = "auth init";

async function fresh(code: string): Promise<Awaited<ReturnType<typeof run>>> {
  const at = `127.0.0.1:${await freePort()}`;
  const home = mkdtempSync(path.join(folder, "fresh-"));
  const here = code.replaceAll(/^(npm start --|npx \.)/gm, (command) => {
    const tally = `${ROOT}/bin/tally.mjs`;
    return command.startsWith("npm") ? `> server.log 2>&1 ${tally} serve` : tally;
  });
  const script = `cd ${home}; export TALLY_LISTEN=${at} TALLY_SERVER=${at}; trap 'kill %1' EXIT; ${here}`;
  return run("bash", ["--norc", "-euo", "pipefail", "-c", script]);
}

function pythonBlock(where: string, { code, shows }: Block): void {
  test(where, [PYTHON], "runs, and prints what it says", async () => {
    const { code: exit, stdout, stderr } = await run("python3", ["-"], { input: addressed(code) });
    expect({ exit, stdout, stderr: exit === 0 ? "" : stderr }).toEqual({
      exit: 0,
      stdout: shows?.code,
      stderr: "",
    });
  });
}

function tomlBlock(where: string, { code }: Block): void {
  it(`${where} is a configuration that works`, () => {
    const file = path.join(folder, "tally.toml");
    writeFileSync(file, code);
    expect(loadConfig({ flags: { config: file }, env: {} }).warnings).toEqual([]);
  });
}

const TOOLS = [GRPCURL, program("curl")];

function test(where: string, needs: readonly Need[], name: string, run: () => Promise<void>): void {
  describeWith(needs, where, () => {
    it(name, run);
  });
}

function addressed(code: string): string {
  return code.replaceAll("127.0.0.1:8080", address);
}

/** What differs from run to run is compared by its form only. */
function comparable(value: unknown, key = ""): unknown {
  if (Array.isArray(value)) return value.map((item) => comparable(item));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, comparable(item, name)]));
  }
  if (key === "etag" && /^[0-9a-f-]{36}\.\d+$/.test(String(value)))
    return String(value).replace(/^.{36}/, "uid");
  if (key === "time" && !Number.isNaN(Date.parse(String(value)))) return "a time";
  return value;
}

async function untilServing(port: number): Promise<void> {
  for (;;) {
    try {
      (await Connection.open(port)).close();
      return;
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
      if (server.exitCode !== null) throw new Error(`npm start ended with code ${server.exitCode}`);
      await pause(50);
    }
  }
}
