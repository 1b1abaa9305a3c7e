import { program } from "../../support/needs.ts";
import { run, SERVICE, type TlsClient } from "./client.ts";
import { type ConnectError, problemOf } from "./connect-unary.ts";

/** `buf curl`, which npm ci installs: Go, on Connect's gRPC client. */
export const bufCurl: TlsClient = {
  name: "buf curl",
  needs: [program("buf", { install: "npm ci" })],
  async open(address, _, caFile) {
    const [scheme, trust] = caFile === undefined ? ["http", []] : ["https", ["--cacert", caFile]];
    return {
      async call(method, request) {
        const url = `${scheme}://${address}/${SERVICE}/${method}`;
        const args = ["curl", ...trust, "--protocol", "grpc", "--http2-prior-knowledge", "--data", "@-", url];
        const { code, stdout, stderr } = await run("buf", args, { input: JSON.stringify(request) });
        if (code === 0) return { ok: JSON.parse(stdout) };
        return { error: problemOf(JSON.parse(stderr) as ConnectError) };
      },
      async close() {},
    };
  },
};
