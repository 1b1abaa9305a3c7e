/**
 * `buf curl` speaks all three protocols to the one port, and knows the API from the server alone: by reflection over
 * gRPC, which it does over HTTP/2 only, or from /descriptors.binpb.
 */
import { readFileSync } from "node:fs";
import { fromBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { blocksOf } from "../docs/markdown.ts";
import { authority } from "../support/certificates.ts";
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

// gRPC-Web has no streams of requests, and reflection is one.
it.for(["connect", "grpc"])(
  "over HTTP/2 of our own, %s needs no schema: reflection is beside it",
  async (protocol) => {
    await using opened = await open({ http2Engine: "own" });
    const at = `http://127.0.0.1:${opened.door.port}/tally.v1.CounterService/Increment`;
    const args = [
      "curl",
      "--protocol",
      protocol,
      "--http2-prior-knowledge",
      "--data",
      '{"name":"a","amount":"7"}',
      at,
    ];
    const counted = await run("buf", args);
    expect(counted.stderr).toBe("");
    expect(JSON.parse(counted.stdout)).toMatchObject({ outcome: { name: "a", value: "7" } });
  },
);

describe("docs/http.md", () => {
  const page = readFileSync(new URL("../../docs/http.md", import.meta.url), "utf8");
  const [, section] = page.split("\n## buf curl\n");
  const blocks = blocksOf(section!.split("\n## ")[0]!);

  it("has a block for plaintext, and one for TLS", () => {
    expect(blocks.map(({ code }) => /https?(?=:)/.exec(code)![0])).toEqual(["http", "https"]);
  });

  it.for(blocks.map(({ code }) => [/https?(?=:)/.exec(code)![0], code] as const))(
    "what it has people type does as it says, over %s",
    async ([scheme, code]) => {
      using made = authority();
      await using opened = await open(scheme === "https" ? { tls: { ...made.issue(), ca: made.ca } } : {});
      const at = code.replaceAll(/127\.0\.0\.1:8080|localhost:8443/g, (host) =>
        host.replace(/\d+$/, `${opened.door.port}`),
      );
      const { stdout, stderr, code: exit } = await run("bash", ["--norc", "-euc", at], { cwd: made.folder });
      expect([exit, stderr]).toEqual([0, ""]);
      const values = [...stdout.matchAll(/"value": "(\d+)"/g)].map(([, value]) => value);
      expect(values).toEqual(["1", "2", "3"]); // One call for each protocol.
    },
  );
});

interface Detail {
  readonly type: string;
  readonly value: string;
  /** The same for people; only Connect has it. */
  readonly debug?: object;
}
