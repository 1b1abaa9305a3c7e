/** A command that reads starts quickly because it loads little: no time is measured here, only what is loaded. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { TALLY_OF_SOURCES } from "../support/bundles/command.ts";
import { folder, run, serverForTests } from "./cli.ts";
import { serve } from "./process/tally.ts";

const server = serverForTests();

it.each([
  ["get", ["get", "visits"]],
  ["inc", ["inc", "visits"]],
  ["complete", ["complete", "--", "get", ""]],
  ["delete", ["delete", "visits", "--yes"]],
  ["auth", ["auth", "--help"]],
])("%s loads nothing of the server, nor its validators, drivers and log", async (_, args) => {
  const loaded = await modulesLoadedBy(args);
  expect(loaded.some((url) => url.includes("/src/client/client."))).toBe(true); // It looks at the right process.
  const served =
    /\/src\/(server|config|telemetry|core|service|stores|transports)\b|\/src\/config\.|\/src\/cli\/serve/;
  const packages =
    /\/node_modules\/(zod|@bufbuild\/protovalidate|better-sqlite3|pino|pino-pretty|yaml|cli-progress)\//;
  const ours = loaded.filter((url) => !url.includes("/node_modules/"));
  // Small files that know nothing of the server.
  const shared =
    /\/src\/(config\/(error|quantity)|core\/(errors|grants|name|pace|permissions|prefixes|secrets))\./;
  expect(ours.filter((url) => served.test(url) && !shared.test(url))).toEqual([]);
  expect(loaded.filter((url) => packages.test(url))).toEqual([]);
});

it("help and config load no gRPC either", async () => {
  for (const args of [["--help"], ["config", "path"], ["completion", "bash"]]) {
    const loaded = await modulesLoadedBy(args);
    expect(loaded.some((url) => url.includes("/src/cli/main."))).toBe(true);
    expect(loaded.filter((url) => /@grpc|@bufbuild/.test(url))).toEqual([]);
  }
});

it("a server loads grpc-js only to serve by it", async () => {
  const loadsIt = async (engine: string) => {
    const list = join(folder(), "modules.txt");
    const env = { RECORD_MODULES: list, NODE_OPTIONS: `--import ${RECORDER}` };
    const served = serve(["--http2-engine", engine], { command: TALLY_OF_SOURCES, env });
    await served.logged("server.ready");
    served.child.kill("SIGTERM");
    await served.ended;
    return readFileSync(list, "utf8").includes("/node_modules/@grpc/grpc-js/");
  };
  expect(await loadsIt("own")).toBe(false);
  expect(await loadsIt("grpc-js")).toBe(true);
});

/** The URLs of the modules that a command loads. */
async function modulesLoadedBy(args: readonly string[]): Promise<string[]> {
  const list = join(folder(), "modules.txt");
  const env = { TALLY_SERVER: server.address, RECORD_MODULES: list };
  await run(process.execPath, ["--import", RECORDER, TALLY_OF_SOURCES, "inc", "visits"], { env });
  const ran = await run(process.execPath, ["--import", RECORDER, TALLY_OF_SOURCES, ...args], { env });
  expect(ran).toMatchObject({ code: 0, stderr: "" });
  return readFileSync(list, "utf8").split("\n");
}

const RECORDER = new URL("./record-modules.mjs", import.meta.url).href;
