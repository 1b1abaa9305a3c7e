/**
 * npm run test:conformance [-- --quick] [--engine own|grpc-js]
 *
 * Goal: Tally's doors are what Connect, gRPC and gRPC-Web ask for, by their own suites, with each `http2-engine`.
 *
 * Method: services of these suites, mounted on the product's doors. Connect's sends what clients send and what none may,
 * over HTTP/1.1 and HTTP/2, in plaintext and over TLS; gRPC's are the interop cases of grpc-go's client. Where Tally is
 * otherwise stands in known-failing.txt with its reason, and with all that the suite may find there.
 *
 * Both are programs of their own; CONNECTCONFORMANCE and GRPC_INTEROP_CLIENT say where they are, if not in the PATH:
 *
 *   go install connectrpc.com/conformance/cmd/connectconformance@v1.0.5
 *   go install google.golang.org/grpc/interop/client@v1.85.0 (as grpc-interop-client)
 *
 * With --quick Connect's is cut down to what waits for nothing, in plaintext.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { registerHooks } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { inspect, parseArgs } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import type { Doors, Http2EngineName } from "../../../src/transports/doors.ts";
import { type Authority, authority } from "../../support/certificates.ts";
import { run } from "../clients/client.ts";
import { ServerCompatResponseSchema } from "./gen/connectrpc/conformance/v1/server_compat_pb.ts";

const HERE = import.meta.dirname;
const ENGINES: readonly Http2EngineName[] = ["own", "grpc-js"];
const { values } = parseArgs({
  options: { quick: { type: "boolean", default: false }, engine: { type: "string" } },
});
const KNOWN_FAILING = path.join(HERE, "known-failing.txt");
const KNOWN_FLAKY = path.join(HERE, "known-flaky.txt");
const SUITE_MS = 1_800_000;
/** The largest message that Connect's suite wants to be taken, of all its servers. */
const BYTES_MAX = 200 * 1024;
/** What waits for a second or two, and what is over TLS. */
const NOT_QUICK = ["Timeouts/**", "Server Message Size/**", "**/TLS:true/**"];

const INTEROP_CASES = [
  ...["empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream"],
  ...["timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response"],
  ...["status_code_and_message", "special_status_message", "custom_metadata"],
  ...["unimplemented_method", "unimplemented_service"],
];

/** What the doors have, in the words of Connect's suite (connectrpc/conformance/v1/config.proto). */
function featuresOf(engine: Http2EngineName) {
  return {
    features: {
      compressions: ["IDENTITY", "GZIP", "BR", "DEFLATE"].map((name) => `COMPRESSION_${name}`),
      supports_half_duplex_bidi_over_http1: true,
    },
    exclude_cases: [
      // Protobuf alone is gRPC's here; its compressions are not those of HTTP.
      { protocol: "PROTOCOL_GRPC", codec: "CODEC_JSON" },
      { protocol: "PROTOCOL_GRPC", compression: "COMPRESSION_BR" },
      { protocol: "PROTOCOL_CONNECT", compression: "COMPRESSION_DEFLATE" },
      { protocol: "PROTOCOL_GRPC_WEB", compression: "COMPRESSION_DEFLATE" },
      // Its protocol has no streams of requests, for browsers have none.
      ...["CLIENT_STREAM", "HALF_DUPLEX_BIDI_STREAM", "FULL_DUPLEX_BIDI_STREAM"].map((type) => ({
        protocol: "PROTOCOL_GRPC_WEB",
        stream_type: `STREAM_TYPE_${type}`,
      })),
      // With grpc-js HTTP/2 is gRPC's alone.
      ...["PROTOCOL_CONNECT", "PROTOCOL_GRPC_WEB"]
        .filter(() => engine === "grpc-js")
        .map((protocol) => ({ protocol, version: "HTTP_VERSION_2" })),
    ],
  };
}

/** Where the doors of an engine are. */
interface Served {
  readonly engine: Http2EngineName;
  readonly plaintext: Doors;
  readonly tls: Doors;
  /** Who signed the certificate of the latter. */
  readonly authority: Authority;
}

/** Run Connect's suite. @param folder  for its files @returns  what is wrong */
async function connectSuite(
  { engine, plaintext, tls, authority }: Served,
  folder: string,
): Promise<string[]> {
  const file = (name: string) => path.join(folder, `${engine}-${name}`);
  await writeFile(file("features.json"), JSON.stringify(featuresOf(engine)));
  await writeFile(file("plaintext"), whereIs(plaintext.port));
  await writeFile(file("tls"), whereIs(tls.port, authority.ca));
  await writeFile(file("grpc-tls"), whereIs(tls.grpcPort, authority.ca));
  const { code, stdout, stderr } = await run(
    process.env.CONNECTCONFORMANCE ?? "connectconformance",
    [
      ...["--mode", "server", "--conf", file("features.json"), "--known-failing", `@${KNOWN_FAILING}`],
      ...["--known-flaky", `@${KNOWN_FLAKY}`],
      ...(values.quick ? NOT_QUICK.flatMap((pattern) => ["--skip", pattern]) : []),
      ...["--", path.join(HERE, "where.sh"), file("plaintext"), file("tls"), file("grpc-tls")],
    ],
    { timeoutMs: SUITE_MS },
  );
  const summary = stdout.slice(stdout.indexOf("Total cases:")).trim().replaceAll("\n", ", ");
  console.log(`Connect's suite, ${engine}: ${summary}`);
  const faults = [...stdout.matchAll(/^FAILED: .*\n(?:\t.*\n)*/gm)].map(([text]) => text.trimEnd());
  const known = await readKnown();
  for (const [, name, said] of stdout.matchAll(/^INFO: (.*) failed \(as expected\):\n((?:\t.*\n)*)/gm)) {
    const says = known.filter(({ names }) => names.test(name!)).flatMap((each) => each.says);
    const others = said!
      .trimEnd()
      .split("\n")
      .filter((line) => !says.some((each) => each.test(line.trim())));
    if (others.length > 0) faults.push(`${name} failed, and not as it should:\n${others.join("\n")}`);
  }
  if (code !== 0 && faults.length === 0)
    faults.push(`the suite ended with ${code}:\n${stdout.slice(-2_000)}`);
  if (stderr !== "") faults.push(`the suite complains:\n${stderr.slice(0, 4_000)}`);
  return faults;
}

/** What the suite is told of a server: the message, behind its length. */
function whereIs(port: number, ca = ""): Buffer {
  const response = create(ServerCompatResponseSchema, { host: "127.0.0.1", port, pemCert: Buffer.from(ca) });
  const bytes = toBinary(ServerCompatResponseSchema, response);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** By the names of cases, the lines that the suite may say of them. */
async function readKnown(): Promise<{ readonly names: RegExp; readonly says: readonly RegExp[] }[]> {
  const text = `${await readFile(KNOWN_FAILING, "utf8")}\n\n${await readFile(KNOWN_FLAKY, "utf8")}`;
  return text.split(/\n\n+/).flatMap((block) => {
    const lines = block.split("\n");
    const says = lines.flatMap((line) => /^# says: (.*)$/.exec(line)?.[1] ?? []).map((each) => RegExp(each));
    const patterns = lines.filter((line) => line !== "" && !line.startsWith("#"));
    return patterns.map((pattern) => ({ names: toRegExp(pattern), says }));
  });
}

/** A pattern of the suite's: * is one part of a name, and ** any number of them. */
function toRegExp(pattern: string): RegExp {
  const parts = pattern
    .split("/")
    .map((part) => (part === "**" ? ".*" : part === "*" ? "[^/]*" : part.replace(/[.()]/g, "\\$&")));
  return RegExp(`^${parts.join("/")}$`);
}

/** Run gRPC's interop cases, in plaintext and over TLS. @returns  what is wrong */
async function interop({ engine, plaintext, tls, authority }: Served): Promise<string[]> {
  const faults: string[] = [];
  const ways = [
    ["--server_port", `${plaintext.grpcPort}`],
    ["--server_port", `${tls.grpcPort}`, "--use_tls", "--use_test_ca", "--ca_file", authority.caFile],
  ];
  for (const way of ways) {
    for (const name of INTEROP_CASES) {
      const args = ["--server_host", "127.0.0.1", ...way, "--test_case", name];
      const { code, stderr } = await run(process.env.GRPC_INTEROP_CLIENT ?? "grpc-interop-client", args);
      if (code !== 0) faults.push(`interop ${args.join(" ")}, ${engine}:\n${stderr}`);
    }
  }
  const cases = ways.length * INTEROP_CASES.length;
  console.log(`gRPC's interop cases, ${engine}: ${cases} cases, ${cases - faults.length} passed`);
  return faults;
}

// The JSON of messages that are none of Tally's; json.ts says why.
const JSON_URL = new URL("./json.ts", import.meta.url).href;
const REPLACED = ["answer", "request"].map(
  (name) => new URL(`../../../src/transports/json/${name}.ts`, import.meta.url).href,
);
registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    return REPLACED.includes(found.url) && context.parentURL !== JSON_URL
      ? { ...found, url: JSON_URL }
      : found;
  },
});
const { openSuiteServer } = await import("./server.ts");

const folder = await mkdtemp(path.join(tmpdir(), "tally-conformance-"));
using signing = authority();
const faults: string[] = [];
try {
  for (const engine of ENGINES.filter((each) => each === (values.engine ?? each))) {
    const options = {
      bytesMax: BYTES_MAX,
      // That a client breaks off a handshake belongs to one of the cases.
      log: (event: string, fields?: object) => {
        if (event !== "tls.handshake_failed") faults.push(`logged, ${engine}: ${event} ${inspect(fields)}`);
      },
    };
    const plaintext = await openSuiteServer(engine, options);
    // With grpc-js connect-go's clients of gRPC are given HTTP/1.1 on a port that is shared, because they offer that too.
    const apart = { tls: signing.issue(), grpcApart: engine === "grpc-js" };
    const tls = await openSuiteServer(engine, { ...options, ...apart });
    const served: Served = { engine, plaintext, tls, authority: signing };
    faults.push(...(await connectSuite(served, folder)), ...(await interop(served)));
    await Promise.all([plaintext.drain(0), tls.drain(0)]);
  }
} finally {
  await rm(folder, { recursive: true });
}
for (const fault of faults) console.error(fault);
console.log(faults.length === 0 ? "PASS" : `FAIL: ${faults.length}`);
process.exitCode = faults.length === 0 ? 0 : 1;
