import { type DescMessage, type JsonObject, type MessageShape, toJson } from "@bufbuild/protobuf";
import { BatchApplyResponseSchema } from "../../../gen/tally/v1/counter_service_pb.ts";

/**
 * A response in JSON, the same at every door: zeros are there to be read, but where there is no number. Of an operation
 * that was refused there is its name and the refusal, and no value that it would have.
 */
export function answerJson<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): JsonObject {
  const json = toJson(schema, message, { alwaysEmitImplicit: true }) as JsonObject;
  if ((schema as DescMessage) !== BatchApplyResponseSchema) return json;
  const outcomes = (json.outcomes as JsonObject[]).map((outcome) => {
    const { name, refusal } = outcome;
    return refusal === undefined ? outcome : { name: name!, refusal };
  });
  return { ...json, outcomes };
}
