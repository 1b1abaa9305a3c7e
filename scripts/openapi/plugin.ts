#!/usr/bin/env node
/** A plugin of buf: writes openapi.json from the .proto files, their comments and their annotations, and docs.html. */
import { create, createFileRegistry } from "@bufbuild/protobuf";
import {
  CodeGeneratorResponseSchema,
  CodeGeneratorResponse_Feature as Feature,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import { runNodeJs } from "@bufbuild/protoplugin";
import manifest from "../../package.json" with { type: "json" };
import { pageOf } from "../docs/page.ts";
import { documentOf } from "./document.ts";

runNodeJs({
  name: "protoc-gen-tally-openapi",
  version: manifest.version,
  run({ protoFile }) {
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: protoFile }));
    const document = documentOf(registry, manifest.version);
    return create(CodeGeneratorResponseSchema, {
      supportedFeatures: BigInt(Feature.PROTO3_OPTIONAL),
      file: [
        { name: "openapi.json", content: `${JSON.stringify(document, null, 2)}\n` },
        { name: "docs.html", content: pageOf(document) },
      ],
    });
  },
});
