import type { DescMessage } from "@bufbuild/protobuf";
import type { Refusal } from "../../core/errors.ts";
import type { UnaryCall } from "../calls/call.ts";
import { invalidField } from "../calls/shape.ts";
import type { BodyLimits, HttpRequest } from "../http/engine.ts";
import { GRPC_GOES_ELSEWHERE, isGrpc, isJson, readBody } from "../http/message.ts";
import { targetOf } from "../http/target.ts";
import { type Json, JsonError, type JsonFields, parseJson, shortened } from "../json/parse.ts";
import { encodeJson, fieldOf } from "../json/request.ts";
import { readQuery } from "./query.ts";
import type { PathFields } from "./template.ts";

/** What a request says beside its path and headers: its body, or a query still to be read. */
export interface Given {
  /** What the body has. */
  readonly fields: JsonFields;
  readonly query: string;
}

/** Read the body of a request; where none is expected, one is refused, for what is in it would be dropped. */
export async function readGiven(
  request: HttpRequest,
  hasBody: boolean,
  limits: BodyLimits,
): Promise<Given | Refusal> {
  const { query } = targetOf(request);
  const body = await readBody(request, limits);
  if ("code" in body) return body;
  const type = request.header("content-type") ?? "";
  if (body.length === 0 && !isGrpc(type)) return { fields: {}, query };
  if (!hasBody) return { code: "MALFORMED_MESSAGE", expected: "must be empty; send the fields in the query" };
  if (!isJson(type)) {
    const expected = `must be application/json in UTF-8${isGrpc(type) ? GRPC_GOES_ELSEWHERE : ""}`;
    return { code: "MEDIA_TYPE_NOT_SUPPORTED", expected, got: shortened(type) || "none" };
  }
  const encoding = request.header("content-encoding") ?? "identity";
  if (encoding !== "identity") {
    const expected = "here it is taken as it is, without compression";
    return { code: "ENCODING_NOT_SUPPORTED", expected, got: shortened(encoding) };
  }
  try {
    const json = parseJson(body);
    if (typeof json !== "object" || json === null || Array.isArray(json) || "source" in json) {
      return { code: "MALFORMED_MESSAGE", expected: "must be a JSON object" };
    }
    return { fields: json as JsonFields, query };
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return { code: "MALFORMED_MESSAGE", expected: error.message };
  }
}

/** The request message of a call, put together from path, query and body; or why there is none. */
export function requestBytes(
  call: UnaryCall,
  path: PathFields,
  { fields, query }: Given,
  hasBody: boolean,
): Buffer | Refusal {
  const { input } = call.method;
  const read = readQuery(input, query);
  if ("code" in read) return read;
  const [parameter] = Object.keys(read.json);
  if (hasBody && parameter !== undefined) {
    return invalidField(parameter, "is not a parameter here; send it in the body", undefined);
  }
  const json: Record<string, Json> = { ...fields, ...read.json };
  for (const [name, value] of Object.entries(path)) {
    if (value === undefined)
      return invalidField(name, "must be UTF-8, percent-encoded (%25 for %)", undefined);
    const refusal = put(json, input, name, value);
    if (refusal !== undefined) return refusal;
  }
  return encodeJson(input, json);
}

/** Put a field that stands in the path beside the others, which must not say otherwise. */
function put(json: Record<string, Json>, input: DescMessage, name: string, value: Json): Refusal | undefined {
  const field = fieldOf(input, name)!;
  const given = [field.jsonName, field.name].map((key) => json[key]).find((each) => each != null);
  if (given === undefined) {
    delete json[field.name];
    json[field.jsonName] = value;
  } else if (given !== value) {
    return invalidField(name, `must be the same in the path (${JSON.stringify(value)})`, given);
  }
  return undefined;
}
