/**
 * npm run test:openapi [-- --quick] [--seed N]
 *
 * Goal: what /openapi.json says is so, for a client that knows nothing else.
 *
 * Method: schemathesis makes requests from the document, those that it allows and those that it does not, sends them
 * to a server, and holds the answers against the document: statuses, bodies, headers, what is taken and what is
 * refused. What it cannot know is in hooks.py. Nothing may be a defect in the server's log either. The server asks who
 * calls, so that what is about that is served too, and the holder of its root key does.
 *
 * It needs `schemathesis` on the PATH: pip install -r test/doors/openapi/requirements.txt
 */
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { freshSeed } from "../../proofs/crash/random.ts";
import { ServerProcess } from "../../proofs/crash/server-process.ts";
import { freePort } from "../../support/free-port.ts";

const HERE = import.meta.dirname;
/** Requests of each kind for an operation. */
const EXAMPLES = { quick: 10, full: 150 };

const { values } = parseArgs({
  options: { quick: { type: "boolean", default: false }, seed: { type: "string" } },
});
const seed = Number(values.seed ?? freshSeed());
if (spawnSync("schemathesis", ["--version"]).status !== 0) {
  console.error("schemathesis is not on the PATH: pip install -r test/doors/openapi/requirements.txt");
  process.exit(1);
}
console.log(`seed ${seed}; again with: npm run test:openapi -- --seed ${seed}`);

const folder = mkdtempSync(join(tmpdir(), "tally-openapi-"));
const port = await freePort();
const [rootKeyFile, rootKey] = [join(folder, "root"), randomBytes(24).toString("base64url")];
writeFileSync(rootKeyFile, rootKey, { mode: 0o600 });
const server = new ServerProcess({
  port,
  store: `sqlite:${join(folder, "tally.db")}`,
  flags: ["--auth", "required", "--root-key-file", rootKeyFile],
});
const faults: string[] = [];
try {
  await server.ready();
  const examples = values.quick ? EXAMPLES.quick : EXAMPLES.full;
  const args = [
    ...["--config-file", join(HERE, "schemathesis.toml"), "run", `http://127.0.0.1:${port}/openapi.json`],
    ...["--seed", `${seed}`, "--max-examples", `${examples}`, "--generation-database", "none"],
    ...["--header", `Authorization: Bearer ${rootKey}`],
  ];
  const client = spawn("schemathesis", args, {
    cwd: folder, // It leaves its own files where it runs.
    env: { ...process.env, SCHEMATHESIS_HOOKS: join(HERE, "hooks.py") },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [code] = await once(client, "exit");
  if (code !== 0) faults.push(`schemathesis ended with ${code}`);
  const stopped = await server.stop();
  if (stopped.code !== 0) faults.push(`the server ended with ${JSON.stringify(stopped)}:\n${server.output}`);
  if (server.output.includes("handler_failed")) faults.push(`a defect is in the log:\n${server.output}`);
} finally {
  await server.kill();
  rmSync(folder, { recursive: true, force: true });
}
for (const fault of faults) console.error(fault);
process.exitCode = faults.length === 0 ? 0 : 1;
