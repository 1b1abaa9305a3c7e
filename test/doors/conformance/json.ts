/**
 * The JSON of messages that are none of Tally's, in the place of src/transports/json, which is made for the kinds of fields
 * that its API has: no bytes, no unsigned numbers, no Any. The doors around it are the product's. (Tally's own JSON is held
 * by test/transports/json*.test.ts.)
 */
import {
  createRegistry,
  type DescMessage,
  fromJsonString,
  type MessageShape,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import type { Refusal } from "../../../src/core/errors.ts";
import { file_connectrpc_conformance_v1_service } from "./gen/connectrpc/conformance/v1/service_pb.ts";

export { fieldOf, hasKey } from "../../../src/transports/json/request.ts";

const registry = createRegistry(file_connectrpc_conformance_v1_service);

/** In the place of json/request.ts's. */
export function encodeJsonText(schema: DescMessage, text: Buffer): Buffer | Refusal {
  try {
    return Buffer.from(toBinary(schema, fromJsonString(schema, text.toString(), { registry })));
  } catch (error) {
    return { code: "MALFORMED_MESSAGE", expected: `must be ${schema.typeName}: ${error}` };
  }
}

/** In the place of json/answer.ts's. */
export function answerJson<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>) {
  return toJson(schema, message, { registry });
}
