import { fileURLToPath } from "node:url";
import { pythonModules } from "../../support/needs.ts";
import type { ManyCallsClient, TlsClient } from "./client.ts";
import { startLineClient } from "./line-client.ts";

const PROGRAM = fileURLToPath(new URL("./python/client.py", import.meta.url));

export const PYTHON = pythonModules(["grpc", "grpc_reflection"], ["grpcio", "grpcio-reflection"]);

/** Python's grpcio, on gRPC's C core, by reflection. */
export const python: TlsClient & ManyCallsClient = {
  name: "Python grpcio",
  needs: [PYTHON],
  async open(address, _?: string, caFile?: string) {
    return startLineClient("python3", [PROGRAM, address, ...(caFile === undefined ? [] : [caFile])]);
  },
};
