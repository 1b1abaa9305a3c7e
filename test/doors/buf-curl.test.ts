/**
 * `buf curl` speaks all three protocols to the one port, and knows the API from the server alone: by reflection over
 * gRPC, which it does over HTTP/2 only, or from /descriptors.binpb.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { type Opened, open } from "../transports/door.ts";
import { run } from "./clients/client.ts";

const PROTOCOLS = ["connect", "grpcweb", "grpc"];

function bufCurl({ door }: Opened, protocol: string, method: string, request: object, schema: boolean) {
  const at = `http://127.0.0.1:${door.port}`;
  const known = schema ? ["--schema", `${at}/descriptors.binpb`] : [];
  const data = JSON.stringify(request);
  return run("buf", [
    "curl",
    "--protocol",
    protocol,
    ...known,
    "--data",
    data,
    `${at}/tally.v1.CounterService/${method}`,
  ]);
}

describe("buf curl", () => {
  it.for([...PROTOCOLS.map((protocol) => [protocol, true] as const), ["grpc", false] as const])(
    "calls with the protocol %s (the schema from a path: %s)",
    async ([protocol, schema]) => {
      await using opened = await open();
      const counted = await bufCurl(opened, protocol, "Increment", { name: "a", amount: "7" }, schema);
      expect(counted.stderr).toBe("");
      expect(JSON.parse(counted.stdout)).toMatchObject({ outcome: { name: "a", value: "7" } });
      const read = await bufCurl(opened, protocol, "GetCounter", { name: "a" }, schema);
      expect(JSON.parse(read.stdout)).toMatchObject({ counter: { value: "7" } });
      const refused = await bufCurl(opened, protocol, "GetCounter", { name: "none" }, schema);
      const { code, details } = JSON.parse(refused.stderr) as { code: string; details: Detail[] };
      expect([code, refused.code]).toEqual(["not_found", 5 << 3]);
      expect(details[0]!.type).toBe("google.rpc.ErrorInfo");
      expect(fromBinary(ErrorInfoSchema, Buffer.from(details[0]!.value, "base64"))).toMatchObject({
        reason: "COUNTER_NOT_FOUND",
        metadata: { name: "none" },
      });
      if (protocol === "connect") {
        expect(details[0]!.debug).toMatchObject({ reason: "COUNTER_NOT_FOUND", metadata: { name: "none" } });
      }
    },
  );
});

interface Detail {
  readonly type: string;
  readonly value: string;
  /** The same for people; only Connect has it. */
  readonly debug?: object;
}
