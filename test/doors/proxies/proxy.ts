import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePort } from "../../support/free-port.ts";
import { send } from "../../transports/http.ts";

/** A proxy in front: what it is told, for its ports and the server's. */
export interface Proxy {
  /** Its command, and the package of Debian that has it. */
  readonly name: string;
  args(configPath: string): readonly string[];
  config(ports: Ports, folder: string): string;
}

export interface Ports {
  /** Where the proxy takes HTTP/2 for gRPC, and HTTP/1.1. */
  readonly grpc: number;
  readonly http: number;
  readonly server: number;
}

/** Plain, as the documentation of each has it: nothing is set that Tally would need. */
export const PROXIES: readonly Proxy[] = [
  {
    name: "nginx",
    args: (config) => ["-c", config],
    config: ({ grpc, http, server }, folder) => `
      daemon off;
      master_process off;
      pid ${folder}/pid;
      error_log stderr;
      events {}
      http {
        access_log off;
        ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((each) => `${each}_temp_path ${folder}/${each};`).join("\n")}
        server {
          listen 127.0.0.1:${grpc} http2;
          location / { grpc_pass grpc://127.0.0.1:${server}; }
        }
        server {
          listen 127.0.0.1:${http};
          location / { proxy_pass http://127.0.0.1:${server}; }
        }
      }`,
  },
  {
    name: "haproxy",
    args: (config) => ["-f", config],
    config: ({ grpc, http, server }) => `
      defaults
        mode http
        timeout connect 5s
        timeout client 30s
        timeout server 30s
      frontend grpc
        bind 127.0.0.1:${grpc} proto h2
        default_backend grpc
      frontend http
        bind 127.0.0.1:${http}
        default_backend http
      backend grpc
        server tally 127.0.0.1:${server} proto h2
      backend http
        server tally 127.0.0.1:${server}
`,
  },
];

/** Start a proxy before a server; resolves when a request gets through. */
export async function startProxy(proxy: Proxy, server: number): Promise<Ports & AsyncDisposable> {
  const folder = await mkdtemp(path.join(tmpdir(), "tally-proxy-"));
  const ports = { grpc: await freePort(), http: await freePort(), server };
  const config = path.join(folder, "config");
  await writeFile(config, proxy.config(ports, folder));
  const child = spawn(proxy.name, proxy.args(config), { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  const ended = once(child, "exit");
  const dispose = async () => {
    child.kill("SIGKILL");
    await ended;
    await rm(folder, { recursive: true });
  };
  try {
    await serving(ports.http, child);
  } catch (cause) {
    await dispose();
    throw new Error(`${proxy.name} does not serve: ${said}`, { cause });
  }
  return { ...ports, [Symbol.asyncDispose]: dispose };
}

/** Resolves when a request gets through. */
export async function serving(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    try {
      await send(port, { path: "/livez" });
      return;
    } catch {
      await new Promise((turn) => setTimeout(turn, 20)); // It tells nobody when it listens.
    }
  }
}
