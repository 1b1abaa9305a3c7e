import { cp } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { program } from "../../support/needs.ts";
import { type ManyCallsClient, run } from "./client.ts";
import { startLineClient } from "./line-client.ts";
import { fetchDescriptors } from "./stubs.ts";

const SOURCES = fileURLToPath(new URL("./rust", import.meta.url));

/** tonic and its 70 crates, on two busy cores; what is in CARGO_TARGET_DIR is not compiled again. */
const COMPILE_MS = 600_000;

/** Rust's tonic on hyper, by the descriptors that the server gives out. */
export const rust: ManyCallsClient = {
  name: "Rust tonic",
  needs: [program("cargo", { install: "have Rust 1.88 or newer, which Debian 12 has not" })],
  async prepare(server, folder) {
    await cp(SOURCES, folder, { recursive: true });
    await fetchDescriptors(server, folder);
    const { code, stderr } = await run("cargo", ["build", "--quiet", "--locked"], {
      cwd: folder,
      timeoutMs: COMPILE_MS,
    });
    if (code !== 0) throw new Error(`cargo build: ${stderr}`);
  },
  async open(address, folder) {
    const target = process.env.CARGO_TARGET_DIR ?? path.join(folder, "target");
    return startLineClient(path.join(target, "debug/client"), [
      address,
      path.join(folder, "descriptors.binpb"),
    ]);
  },
};
