/** The protos of others are kept as their projects publish them: these packages bring the same files. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { expect, it } from "vitest";

const KEPT = path.resolve(import.meta.dirname, "../../third_party/proto");
const require = createRequire(import.meta.url);

it.each([
  ["google/rpc/code.proto", require.resolve("google-proto-files/google/rpc/code.proto")],
  ["google/rpc/error_details.proto", require.resolve("google-proto-files/google/rpc/error_details.proto")],
  ["google/rpc/status.proto", require.resolve("google-proto-files/google/rpc/status.proto")],
  ["grpc/health/v1/health.proto", require.resolve("grpc-health-check/proto/health/v1/health.proto")],
  [
    "grpc/reflection/v1/reflection.proto",
    require.resolve("@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto"),
  ],
  [
    "grpc/reflection/v1alpha/reflection.proto",
    require.resolve("@grpc/reflection/build/proto/grpc/reflection/v1alpha/reflection.proto"),
  ],
])("%s is as published", (kept, published) => {
  expect(readFileSync(path.join(KEPT, kept), "utf8")).toBe(readFileSync(published, "utf8"));
});
