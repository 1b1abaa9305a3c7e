import { once } from "node:events";
import {
  create,
  createFileRegistry,
  fromBinary,
  getOption,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { field as fieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { describe, expect, it } from "vitest";
import {
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { WHOLE_API } from "../../src/transports/calls/services.ts";
import { type Client, open } from "./door.ts";

type Request = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]>;

const VERSIONS = ["v1", "v1alpha"];

function stream(client: Client, version: string) {
  const as = (bytes: Buffer) => bytes;
  return client.grpc.makeBidiStreamRequest(
    `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    as,
    as,
  );
}

/** Ask on a stream of its own. */
async function ask(client: Client, messageRequest: Request | Buffer, version = "v1") {
  const call = stream(client, version);
  const request = create(
    ServerReflectionRequestSchema,
    Buffer.isBuffer(messageRequest) ? {} : { host: "h", messageRequest },
  );
  call.write(
    Buffer.isBuffer(messageRequest)
      ? messageRequest
      : Buffer.from(toBinary(ServerReflectionRequestSchema, request)),
  );
  const [bytes] = (await once(call, "data")) as [Buffer];
  call.end();
  await once(call.resume(), "end");
  return fromBinary(ServerReflectionResponseSchema, bytes);
}

async function files(client: Client, messageRequest: Request) {
  const { messageResponse } = await ask(client, messageRequest);
  if (messageResponse.case !== "fileDescriptorResponse")
    throw new Error(`expected files, got ${messageResponse.case}`);
  return messageResponse.value.fileDescriptorProto.map((bytes) =>
    fromBinary(FileDescriptorProtoSchema, bytes),
  );
}

describe("reflection", () => {
  it.each(VERSIONS)("%s lists the services", async (version) => {
    await using opened = await open();
    const { messageResponse, originalRequest, validHost } = await ask(
      opened.client,
      { case: "listServices", value: "" },
      version,
    );
    expect(messageResponse.value).toMatchObject({
      service: [
        { name: "envoy.service.ratelimit.v3.RateLimitService" },
        { name: "grpc.health.v1.Health" },
        { name: "grpc.reflection.v1.ServerReflection" },
        { name: "grpc.reflection.v1alpha.ServerReflection" },
        ...WHOLE_API.map(({ typeName }) => ({ name: typeName })).sort((a, b) => (a.name < b.name ? -1 : 1)),
      ],
    });
    expect(validHost).toBe("h");
    expect(originalRequest?.messageRequest.case).toBe("listServices");
  });

  it("gives all that a client needs to call, with the rules kept", async () => {
    await using opened = await open();
    const protos = await files(opened.client, {
      case: "fileContainingSymbol",
      value: "tally.v1.CounterService",
    });
    expect(protos[0]!.name).toBe("tally/v1/counter_service.proto");
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: protos.reverse() }));
    const request = registry.getMessage("tally.v1.IncrementRequest")!;
    const rules = getOption(request.fields[0]!, fieldRules);
    expect(rules.type).toMatchObject({
      case: "string",
      value: { maxBytes: 200n, pattern: "^[!-,.-~][!-~]*$" },
    });
  });

  it.each([
    ["tally.v1.CounterService.Increment", "tally/v1/counter_service.proto"],
    ["tally.v1.Counter", "tally/v1/counter.proto"],
    ["tally.v1.Operation.action", "tally/v1/counter_service.proto"],
    ["tally.v1.OnBound", "tally/v1/counter.proto"],
    ["tally.v1.ON_BOUND_CLAMP", "tally/v1/counter.proto"],
    ["tally.v1.ErrorReason", "tally/v1/error_reason.proto"],
    [".google.rpc.ErrorInfo", "google/rpc/error_details.proto"],
    ["google.rpc.BadRequest.FieldViolation", "google/rpc/error_details.proto"],
    ["google.rpc.Status", "google/rpc/status.proto"],
    ["grpc.health.v1.Health", "grpc/health/v1/health.proto"],
    ["grpc.reflection.v1alpha.ServerReflection", "grpc/reflection/v1alpha/reflection.proto"],
    ["buf.validate.field", "buf/validate/validate.proto"],
  ])("finds %s", async (value, file) => {
    await using opened = await open();
    const protos = await files(opened.client, { case: "fileContainingSymbol", value });
    expect(protos[0]!.name).toBe(file);
    const names = new Set(protos.map(({ name }) => name));
    for (const { dependency } of protos) for (const imported of dependency) expect(names).toContain(imported);
    expect((await files(opened.client, { case: "fileByFilename", value: file }))[0]!.name).toBe(file);
  });

  it("finds extensions and their numbers", async () => {
    await using opened = await open();
    const containingType = "google.protobuf.FieldOptions";
    const { messageResponse } = await ask(opened.client, {
      case: "allExtensionNumbersOfType",
      value: containingType,
    });
    expect(messageResponse.value).toMatchObject({
      baseTypeName: containingType,
      extensionNumber: [1159, 1160],
    });
    const found = await files(opened.client, {
      case: "fileContainingExtension",
      value: { containingType, extensionNumber: 1159 },
    });
    expect(found[0]!.name).toBe("buf/validate/validate.proto");
    const none = await ask(opened.client, { case: "allExtensionNumbersOfType", value: "tally.v1.Counter" });
    expect(none.messageResponse.value).toMatchObject({ extensionNumber: [] });
  });

  it.each<[string, Request | Buffer, number]>([
    ["an unknown symbol", { case: "fileContainingSymbol", value: "nothing.Here" }, 5],
    ["an unknown file", { case: "fileByFilename", value: "../../etc/passwd" }, 5],
    [
      "an unknown extension",
      { case: "fileContainingExtension", value: { containingType: "a", extensionNumber: 1 } },
      5,
    ],
    ["extensions of an unknown type", { case: "allExtensionNumbersOfType", value: "nothing.Here" }, 5],
    ["a request for nothing", { case: undefined }, 3],
    ["bytes that are no request", Buffer.from([0x0a, 9, 0x61]), 3],
  ])("answers %s with an error_response", async (_, request, errorCode) => {
    await using opened = await open();
    for (const version of VERSIONS) {
      const { messageResponse } = await ask(opened.client, request, version);
      expect(messageResponse).toMatchObject({ case: "errorResponse", value: { errorCode } });
    }
  });

  it("answers many requests on one stream, in order, also to a slow reader", async () => {
    await using opened = await open();
    const call = stream(opened.client, "v1");
    const symbols = Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? "tally.v1.Counter" : "nothing.Here"));
    for (const value of symbols) {
      const request = create(ServerReflectionRequestSchema, {
        messageRequest: { case: "fileContainingSymbol", value },
      });
      call.write(Buffer.from(toBinary(ServerReflectionRequestSchema, request)));
    }
    call.end();
    const cases: unknown[] = [];
    for await (const bytes of call) {
      await new Promise((resolve) => setImmediate(resolve));
      cases.push(fromBinary(ServerReflectionResponseSchema, bytes as Buffer).messageResponse.case);
    }
    expect(cases).toEqual(symbols.map((_, i) => (i % 2 === 0 ? "fileDescriptorResponse" : "errorResponse")));
  });

  it("is not harmed by a client that goes away", async () => {
    await using opened = await open();
    const call = stream(opened.client, "v1");
    call.on("error", () => {});
    call.write(Buffer.from([]));
    await once(call, "data");
    call.cancel();
    const { messageResponse } = await ask(opened.client, { case: "listServices", value: "" });
    expect(messageResponse.case).toBe("listServicesResponse");
  });
});
