import { fileURLToPath } from "node:url";
import { program } from "../../support/needs.ts";
import type { ForeignClient } from "./client.ts";
import { startLineClient } from "./line-client.ts";
import { generateStubs } from "./stubs.ts";

const PROGRAM = fileURLToPath(new URL("./ruby/client.rb", import.meta.url));

export const RUBY = [
  program("ruby", { args: ["-e", "require 'grpc'"], install: "apt-get install ruby-grpc" }),
  program("protoc", { install: "apt-get install protobuf-compiler protobuf-compiler-grpc" }),
];

/** Ruby's grpc, on gRPC's C core, by generated stubs. */
export const ruby: ForeignClient = {
  name: "Ruby grpc",
  needs: RUBY,
  async open(address, folder) {
    await generateStubs(address, TEMPLATE, folder);
    return startLineClient("ruby", ["-I", folder, PROGRAM, address]);
  },
};

const TEMPLATE = {
  version: "v2",
  plugins: [
    { protoc_builtin: "ruby", out: "." },
    { local: "grpc_ruby_plugin", out: "." },
  ],
};
