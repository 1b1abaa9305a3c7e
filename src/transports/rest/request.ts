import type { DescMessage } from "@bufbuild/protobuf";
import type { Refusal } from "../../core/errors.ts";
import { invalidField } from "../calls/shape.ts";
import type { BodyLimits, HttpRequest } from "../http/engine.ts";
import { GRPC_GOES_ELSEWHERE, isGrpc, isJson, readBody } from "../http/message.ts";
import { targetOf } from "../http/target.ts";
import { shortened } from "../json/parse.ts";
import { encodeJsonText } from "../json/request.ts";
import { readQuery } from "./query.ts";
import type { PathFields } from "./template.ts";

/** What a path takes beside its headers. */
export interface Taken {
  /** The message that its fields are of; of several that of which they all are. */
  readonly input: DescMessage;
  /** Whether the body has those that the path has not; without it the query has. */
  readonly hasBody: boolean;
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
 * Read what a request says beside its path and headers: the query, and then the body, whose type is fit. Where none is
 * expected, one is refused, for what is in it would be dropped.
 *
 * @returns  JSON, not read yet
 */
export async function readGiven(
  request: HttpRequest,
  { input, hasBody }: Taken,
  path: PathFields,
  limits: BodyLimits,
): Promise<Buffer | Refusal> {
  const encoding = request.header("content-encoding") ?? "identity";
  if (request.announcesBody && encoding !== "identity") {
    const expected = "here it is taken as it is, without compression";
    return { code: "ENCODING_NOT_SUPPORTED", expected, got: shortened(encoding) };
  }
  if (!hasBody && Number(request.header("content-length") ?? 0) > 0) return NOT_EMPTY;
  const { query } = targetOf(request);
  const read = readQuery(input, query);
  if ("code" in read) return read;
  const [parameter] = Object.keys(read.json);
  if (hasBody && parameter !== undefined) {
    return invalidField(parameter, "is not a parameter here; send it in the body", undefined);
  }
  const unread = Object.keys(path).find((name) => path[name] === undefined);
  if (unread !== undefined)
    return invalidField(unread, "must be UTF-8, percent-encoded (%25 for %)", undefined);
  const body = await readBody(request, limits);
  if ("code" in body) return body;
  const type = request.header("content-type") ?? "";
  if (!hasBody && (body.length > 0 || isGrpc(type))) return NOT_EMPTY;
  if (!hasBody) return Buffer.from(JSON.stringify(read.json));
  if (body.length === 0) return EMPTY;
  return isJson(type) ? body : typeRefused(type);
}

const NOT_EMPTY: Refusal = {
  code: "MALFORMED_MESSAGE",
  expected: "must be empty; send the fields in the query",
};

/** What no body says. */
export const EMPTY = Buffer.from("{}");

/** The request message of a call, put together from its path and what else was given. */
export function requestBytes(input: DescMessage, path: PathFields, given: Buffer): Buffer | Refusal {
  return encodeJsonText(input, given, path as Readonly<Record<string, string>>);
}
