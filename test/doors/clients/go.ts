import { cp } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { program } from "../../support/needs.ts";
import { COMPILE_MS, type ManyCallsClient, run } from "./client.ts";
import { startLineClient } from "./line-client.ts";
import { generateStubs } from "./stubs.ts";

const MODULE = fileURLToPath(new URL("./go", import.meta.url));

export const GO = program("go", { args: ["version"], install: "apt-get install golang-go" });

/** Go's own gRPC, by generated stubs. */
export const go: ManyCallsClient = {
  name: "Go grpc-go",
  needs: [GO],
  async prepare(server, folder) {
    await cp(MODULE, folder, { recursive: true });
    await generateStubs(server, TEMPLATE, folder);
    const { code, stderr } = await run("go", ["build", "-o", "client", "."], {
      cwd: folder,
      timeoutMs: COMPILE_MS,
    });
    if (code !== 0) throw new Error(`go build: ${stderr}`);
  },
  open: async (address, folder) => startLineClient(path.join(folder, "client"), [address]),
};

const TEMPLATE = {
  version: "v2",
  managed: {
    enabled: true,
    override: [{ file_option: "go_package", path: "tally/v1", value: "counting/tally" }],
  },
  plugins: ["protoc-gen-go", "protoc-gen-go-grpc"].map((plugin) => ({
    local: ["go", "tool", plugin],
    out: ".",
    opt: "module=counting",
  })),
};
