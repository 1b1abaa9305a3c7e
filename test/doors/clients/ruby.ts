import { fileURLToPath } from "node:url";
import { program } from "../../support/needs.ts";
import type { ManyCallsClient } from "./client.ts";
import { startLineClient } from "./line-client.ts";
import { generateStubs } from "./stubs.ts";

const PROGRAM = fileURLToPath(new URL("./ruby/client.rb", import.meta.url));

export const RUBY = [
  program("ruby", { args: ["-e", "require 'grpc'"], install: "apt-get install ruby-grpc" }),
  program("protoc", { install: "apt-get install protobuf-compiler protobuf-compiler-grpc" }),
];

/**
 * Ruby's grpc, on gRPC's C core, by generated stubs. That of Debian 12 (1.51) resets streams that it has not opened yet when
 * calls are given up, which ends the connection with any server (RFC 9113, section 6.4): the others on it are UNAVAILABLE.
 */
export const ruby: ManyCallsClient = {
  name: "Ruby grpc",
  needs: RUBY,
  prepare: (server, folder) => generateStubs(server, TEMPLATE, folder),
  open: async (address, folder) => startLineClient("ruby", ["-I", folder, PROGRAM, address]),
};

const TEMPLATE = {
  version: "v2",
  plugins: [
    { protoc_builtin: "ruby", out: "." },
    { local: "grpc_ruby_plugin", out: "." },
  ],
};
