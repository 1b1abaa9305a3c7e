import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { parse, stringify } from "yaml";
import { freePort } from "../../support/free-port.ts";
import { serving } from "../proxies/proxy.ts";

const CONFIG = path.resolve(import.meta.dirname, "../../../deploy/envoy/limits.yaml");

/** The parts of the configuration that are about limits: a route, and how Tally is asked. */
type Change = (parts: { route: Record<string, unknown>; filter: Record<string, unknown> }) => void;

/** A configuration with longer timeouts: a machine of tests may be busy with much else, and then Envoy lets all through. */
export function patient(config: string): string {
  return config.replaceAll(/(?<=timeout: )0\.25s/g, "20s");
}

/** An application behind an Envoy that asks a Tally. */
export interface Front extends AsyncDisposable {
  readonly port: number;
  /** How many requests came through to the application. */
  readonly served: () => number;
}

/**
 * Start a real Envoy with the configuration of deploy/, but for its ports and its timeouts, before a small application.
 *
 * @param tally   the port of the Tally that it asks
 * @param change  what else a test needs to be another
 */
export async function startFront(tally: number, change: Change = () => {}): Promise<Front> {
  let served = 0;
  const application = createServer((_, response) => {
    served++;
    response.end("served\n");
  }).listen(0, "127.0.0.1");
  await once(application, "listening");
  const ports = { 10000: await freePort(), 3000: (application.address() as AddressInfo).port, 8080: tally };
  const folder = await mkdtemp(path.join(tmpdir(), "tally-envoy-"));
  const config = path.join(folder, "envoy.yaml");
  const text = await readFile(CONFIG, "utf8");
  const told = parse(patient(text).replace(/(?<=port_value: )\d+/g, (port) => `${ports[port as "8080"]}`));
  const { typed_config } = told.static_resources.listeners[0].filter_chains[0].filters[0];
  const [route] = typed_config.route_config.virtual_hosts[0].routes;
  change({ route, filter: typed_config.http_filters[0].typed_config });
  await writeFile(config, stringify(told));
  const args = ["-c", config, "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning"];
  const child = spawn("envoy", args, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  const ended = once(child, "exit");
  const dispose = async () => {
    child.kill("SIGTERM");
    await ended;
    application.closeAllConnections();
    application.close();
    await rm(folder, { recursive: true });
  };
  try {
    await serving(ports[10000], child);
  } catch (cause) {
    await dispose();
    throw new Error(`envoy does not serve: ${said}`, { cause });
  }
  served = 0;
  return { port: ports[10000], served: () => served, [Symbol.asyncDispose]: dispose };
}
