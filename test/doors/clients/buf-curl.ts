import { fromBinary } from "@bufbuild/protobuf";
import { ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { program } from "../../support/needs.ts";
import { type Answer, run, SERVICE, type TlsClient } from "./client.ts";

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
        return toAnswer(await run("buf", args, { input: JSON.stringify(request) }));
      },
      async close() {},
    };
  },
};

function toAnswer({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }): Answer {
  if (code === 0) return { ok: JSON.parse(stdout) };
  const error = JSON.parse(stderr) as { code: string; details?: { type: string; value: string }[] };
  const detail = error.details?.find(({ type }) => type === ErrorInfoSchema.typeName);
  const info =
    detail === undefined ? undefined : fromBinary(ErrorInfoSchema, Buffer.from(detail.value, "base64"));
  const ours = info?.domain === "tally" ? info : undefined;
  return {
    error: { status: error.code.toUpperCase(), reason: ours?.reason, metadata: ours?.metadata ?? {} },
  };
}
