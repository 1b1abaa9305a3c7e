import type { DescMethod } from "@bufbuild/protobuf";
import type { Refusal } from "../../core/errors.ts";
import { invalidField } from "../calls/shape.ts";
import type { BodyLimits, HttpRequest } from "../http/engine.ts";
import { GRPC_GOES_ELSEWHERE, isGrpc, isJson, readBody } from "../http/message.ts";
import { targetOf } from "../http/target.ts";
import { shortened } from "../json/parse.ts";
import { encodeJsonText } from "../json/request.ts";
import { readQuery } from "./query.ts";
import type { PathFields } from "./template.ts";

/** What a request says beside its path and headers: its body, or a query still to be read. */
export interface Given {
  /** The JSON of the body, not read yet. */
  readonly body: Buffer;
  readonly query: string;
}

/**
 * Why a body of its content type is not taken, by the headers alone. Where none is announced any type is, for tools send one
 * with nothing behind it; but gRPC's are here by mistake. Without a type it may still be an empty one: `readGiven` knows.
 */
export function unfitType(request: HttpRequest, hasBody: boolean): Refusal | undefined {
  const type = request.header("content-type");
  if (!hasBody || type === undefined || isJson(type)) return undefined;
  return request.announcesBody || isGrpc(type) ? typeRefused(type) : undefined;
}

function typeRefused(type: string): Refusal {
  const expected = `must be application/json in UTF-8${isGrpc(type) ? GRPC_GOES_ELSEWHERE : ""}`;
  return { code: "MEDIA_TYPE_NOT_SUPPORTED", expected, got: shortened(type) || "none" };
}

/**
 * Read the body of a request, whose type is fit; where none is expected, one is refused, for what is in it would be dropped.
 */
export async function readGiven(
  request: HttpRequest,
  hasBody: boolean,
  limits: BodyLimits,
): Promise<Given | Refusal> {
  const { query } = targetOf(request);
  const encoding = request.header("content-encoding") ?? "identity";
  if (request.announcesBody && encoding !== "identity") {
    const expected = "here it is taken as it is, without compression";
    return { code: "ENCODING_NOT_SUPPORTED", expected, got: shortened(encoding) };
  }
  if (!hasBody && Number(request.header("content-length") ?? 0) > 0) return NOT_EMPTY;
  const body = await readBody(request, limits);
  if ("code" in body) return body;
  const type = request.header("content-type") ?? "";
  if (!hasBody && (body.length > 0 || isGrpc(type))) return NOT_EMPTY;
  if (body.length === 0) return { body: EMPTY, query };
  return isJson(type) ? { body, query } : typeRefused(type);
}

const NOT_EMPTY: Refusal = {
  code: "MALFORMED_MESSAGE",
  expected: "must be empty; send the fields in the query",
};

/** What no body says. */
export const EMPTY = Buffer.from("{}");

/** The request message of a call, put together from path, query and body; or why there is none. */
export function requestBytes(
  call: { readonly method: DescMethod },
  path: PathFields,
  { body, query }: Given,
  hasBody: boolean,
): Buffer | Refusal {
  const { input } = call.method;
  const read = readQuery(input, query);
  if ("code" in read) return read;
  const [parameter] = Object.keys(read.json);
  if (hasBody && parameter !== undefined) {
    return invalidField(parameter, "is not a parameter here; send it in the body", undefined);
  }
  const unread = Object.keys(path).find((name) => path[name] === undefined);
  if (unread !== undefined)
    return invalidField(unread, "must be UTF-8, percent-encoded (%25 for %)", undefined);
  const text = hasBody ? body : Buffer.from(JSON.stringify(read.json));
  return encodeJsonText(input, text, path as Readonly<Record<string, string>>);
}
