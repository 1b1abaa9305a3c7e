import { status } from "@grpc/grpc-js";
import { program } from "../../support/needs.ts";
import { type Answer, run, SERVICE, type TlsClient } from "./client.ts";

export const GRPCURL = program("grpcurl", {
  install: "go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3",
});

/** `grpcurl`: Go, on grpc-go. */
export const grpcurl: TlsClient = {
  name: "grpcurl",
  needs: [GRPCURL],
  async open(address, _, caFile) {
    const trust = caFile === undefined ? ["-plaintext"] : ["-cacert", caFile];
    return {
      async call(method, request) {
        const args = [...trust, "-format-error", "-d", "@", address, `${SERVICE}/${method}`];
        return toAnswer(await run("grpcurl", args, { input: JSON.stringify(request, asGrpcurlHasIt) }));
      },
      async close() {},
    };
  },
};

interface JsonStatus {
  readonly code: number;
  readonly details?: readonly { domain?: string; reason?: string; metadata?: Record<string, string> }[];
}

/** It takes the message of a FieldMask, and not the text "max,onBound" that Protobuf's JSON mapping has for it. */
function asGrpcurlHasIt(key: string, value: unknown): unknown {
  if (key !== "updateMask") return value;
  const paths = (value as string).replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`).split(",");
  return { paths };
}

function toAnswer({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }): Answer {
  if (code === 0) return { ok: JSON.parse(stdout) };
  const error = JSON.parse(stderr) as JsonStatus;
  const info = error.details?.find(({ domain }) => domain === "tally");
  return { error: { status: status[error.code]!, reason: info?.reason, metadata: info?.metadata ?? {} } };
}
