/**
 * npm run test:h2spec
 *
 * Goal: h2spec, which sends what RFC 9113 and RFC 7541 forbid and allow, finds nothing wrong with the engine, in its
 * strict form; nor with a server that has it, in plaintext and over TLS, where most of what it sends is answered by its
 * headers. It is a program of its own: `go install github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible`; `H2SPEC` says
 * where it is, if not in the PATH.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { loadConfig } from "../../../src/config.ts";
import { startServer } from "../../../src/server.ts";
import { NO_TELEMETRY } from "../../../src/telemetry.ts";
import { listenEcho } from "../../http2/echo.ts";
import { authority } from "../../support/certificates.ts";

const CASES = 146;

/** On a port that HTTP/1.1 has too, what is no preface is a request of that, and answered as one: with 400, and the end. */
const SHARED_PORT = "Sends invalid connection preface";

await ofEngine();
await ofServer("a server in plaintext", [SHARED_PORT]);
using signing = authority();
const { certFile, keyFile } = signing.issue();
await ofServer("a server over TLS", [], { "tls-cert-file": certFile, "tls-key-file": keyFile });

async function ofEngine(): Promise<void> {
  const { port, server, engine, defects } = await listenEcho();
  await judge("the engine", [], port);
  server.close();
  engine.close();
  if (defects.length > 0) fail(...defects);
}

async function ofServer(
  what: string,
  known: readonly string[],
  tls: Record<string, string> = {},
): Promise<void> {
  const { config } = loadConfig({ flags: { listen: "127.0.0.1:0", store: "memory:", ...tls }, env: {} });
  const running = await startServer(config, { telemetry: NO_TELEMETRY });
  await judge(what, known, running.address.port, "tls-cert-file" in tls ? ["--tls", "--insecure"] : []);
  await running.close();
}

/** @param known  the cases that it does not pass */
async function judge(
  what: string,
  known: readonly string[],
  port: number,
  more: string[] = [],
): Promise<void> {
  const args = ["--strict", "--host", "127.0.0.1", "--port", String(port), ...more];
  const h2spec = spawn(process.env.H2SPEC ?? "h2spec", args, { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  h2spec.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  h2spec.on("error", ({ message }) => console.error(message));
  await once(h2spec, "close");
  const summary = `${CASES} tests, ${CASES - known.length} passed, 0 skipped, ${known.length} failed`;
  const failures = said.slice(Math.max(0, said.indexOf("Failures:")));
  if (said.includes(summary) && known.every((each) => failures.includes(each)))
    console.log(`${what}: ${summary}${known.length === 0 ? "" : ` (${known.join(", ")})`}`);
  else fail(what, failures);
}

function fail(...why: unknown[]): void {
  console.error(...why);
  process.exitCode = 1;
}
