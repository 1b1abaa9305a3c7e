import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { pythonModules } from "../../support/needs.ts";
import type { Answer, ForeignClient } from "./client.ts";

const SCRIPT = fileURLToPath(new URL("./python_client.py", import.meta.url));

export const PYTHON = pythonModules(["grpc", "grpc_reflection"], ["grpcio", "grpcio-reflection"]);

/** Python's grpcio, on gRPC's C core: one process that makes a call for each line it is given. */
export const python: ForeignClient = {
  name: "Python grpcio",
  needs: [PYTHON],
  async open(address) {
    const child = spawn("python3", [SCRIPT, address], { stdio: ["pipe", "pipe", "inherit"] });
    const ended = once(child, "exit");
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return {
      async call(method, request) {
        child.stdin.write(`${JSON.stringify({ method, request })}\n`);
        const { value, done } = await lines.next();
        if (done) throw new Error("the Python client ended");
        return JSON.parse(value) as Answer;
      },
      async close() {
        child.stdin.end();
        await ended;
      },
    };
  },
};
