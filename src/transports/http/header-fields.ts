import type { DescField, DescMethod } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import type { Refusal } from "../../core/errors.ts";
import { isWellFormed } from "../../wire/well-formed.ts";
import type { HeaderOf } from "../calls/authorise.ts";
import type { UnaryCall } from "../calls/call.ts";
import { invalidField } from "../calls/shape.ts";
import { textRefusal } from "../calls/text-rule.ts";
import { partsOf } from "./etags.ts";

/**
 * The fields of a request that its headers fill, the same at every door: Idempotency-Key is the request_id, If-Match the
 * etag that the method takes. A condition that the method does not take is refused, for it would be done without. Asked
 * before the body is read: these cost it nothing.
 *
 * Not for a GET, whose conditions are about the answer: see conditions.ts.
 */
export function headerFieldsOf(call: UnaryCall, headerOf: HeaderOf): HeaderFields | Refusal {
  const key = takesKey(call) ? headerOf("idempotency-key") : undefined;
  const match = headerOf("if-match");
  const refusal = conditionRefused(call, headerOf);
  if (refusal !== undefined) return refusal;
  if (key === undefined && match === undefined) return NO_HEADER_FIELDS; // As nearly always.
  const fields: Given[] = [];
  if (key !== undefined) {
    const value = unquoted(key);
    if (value === undefined) return invalidField("Idempotency-Key", "must be one key, quoted or not", key);
    fields.push({ field: "request_id", header: "Idempotency-Key", value });
  }
  if (match !== undefined) {
    const field = matchField(call, match);
    if (field !== undefined && "code" in field) return field;
    if (field !== undefined) fields.push(field);
  }
  return brokenRule(call, fields) ?? fields;
}

/** What the rule of a field says of a header that fills it: the body need not come to be told. */
function brokenRule(call: UnaryCall, fields: HeaderFields): Refusal | undefined {
  for (const { field, value } of fields) {
    const refusal = value === true ? undefined : textRefusal(fieldNamed(call, field), value);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function fieldNamed({ method: { input } }: UnaryCall, name: string): DescField {
  return input.fields.find((field) => field.name === name)!;
}

/** The request with the fields that its headers fill. What it has already must be the same. */
export function withHeaders(call: UnaryCall, request: Buffer, fields: HeaderFields): Buffer | Refusal {
  return fields.length === 0 ? request : put(call, request, fields);
}

/** Whether a retry is told by a key: what is set to the same again changes nothing, and needs none. */
function takesKey({ changes, method: { input } }: UnaryCall): boolean {
  return changes && input.fields.some(({ name }) => name === "request_id");
}

/**
 * Why a method that streams is not called with these headers. It takes no condition, as a read by POST takes none; and where
 * it changes something no key, for what was done under it would be done once more.
 */
export function headersRefusedToStream(
  { method, changes = false }: { readonly method: DescMethod; readonly changes?: boolean },
  headerOf: HeaderOf,
): Refusal | undefined {
  if (changes && headerOf("idempotency-key") !== undefined) return NO_KEY;
  const match = headerOf("if-match");
  const read = { method, changes: false };
  return conditionRefused(read, headerOf) ?? (match === undefined ? undefined : IF_MATCH_ONLY_BY_GET);
}

/** Why a method that is sent in a header is not taken, the same at every door: here it would be another than was meant. */
export function otherMethod(method: string, headerOf: HeaderOf): Refusal | undefined {
  const name = OVERRIDES.find((each) => (headerOf(each) ?? method) !== method);
  return name === undefined
    ? undefined
    : invalidField(name, "is not taken; send the method itself", headerOf(name));
}

/** Where some servers take a method from, for clients that cannot send it. */
const OVERRIDES = ["x-http-method-override", "x-http-method", "x-method-override"];

/** What headers say that is for the request. */
export type HeaderFields = readonly Given[];

/** That they say nothing. */
export const NO_HEADER_FIELDS: HeaderFields = [];

/** A field that a header fills. */
interface Given {
  readonly field: string;
  readonly header: string;
  readonly value: string | true;
}

function conditionRefused(
  { changes, method: { name } }: { changes: boolean; method: DescMethod },
  headerOf: HeaderOf,
): Refusal | undefined {
  const noneMatch = headerOf("if-none-match");
  // "*" is what a creation asks for anyway.
  if (noneMatch !== undefined && !(noneMatch === "*" && name === "CreateCounter")) {
    return invalidField("If-None-Match", changes ? `is not taken by ${name}` : ONLY_BY_GET, undefined);
  }
  if (headerOf("if-unmodified-since") !== undefined) {
    return invalidField("If-Unmodified-Since", "is not taken; send If-Match", undefined);
  }
  return undefined;
}

const ONLY_BY_GET = "is for a GET; this is none";
const NO_KEY = invalidField(
  "Idempotency-Key",
  "is not taken: sent again, it is done again, to what was counted meanwhile too; go on with `after`",
  undefined,
);
const IF_MATCH_ONLY_BY_GET = invalidField("If-Match", ONLY_BY_GET, undefined);

/** The field for If-Match; undefined when what it asks is asked anyway. */
function matchField(call: UnaryCall, match: string): Given | Refusal | undefined {
  const { changes, method } = call;
  if (!changes) return IF_MATCH_ONLY_BY_GET;
  const has = (name: string) => method.input.fields.some((field) => field.name === name);
  const header = "If-Match";
  if (match === "*" && has("name") && method.name !== "CreateCounter") {
    // That there is a counter, which all but these ask for anyway.
    return has("must_exist") ? { field: "must_exist", header, value: true } : undefined;
  }
  const field = ["etag", "settings_etag"].find(has);
  if (field === undefined) return invalidField(header, `is not taken by ${method.name}`, undefined);
  const tag = /^(?:"([!#-~]*)"|([^",/\s][^",\s]*))$/.exec(match);
  if (tag === null) return invalidField(header, "must be one strong etag", match);
  const text = (tag[1] ?? tag[2])!;
  const parts = partsOf(text);
  const part = field === "etag" ? parts.etag : parts.settingsEtag;
  return { field, header, value: part ?? text };
}

/**
 * A key as it is meant: many clients send it as it is, others as a string of RFC 8941, as
 * draft-ietf-httpapi-idempotency-key-header has it.
 *
 * @returns  undefined for what begins like such a string, and is none
 */
function unquoted(text: string): string | undefined {
  if (!text.startsWith('"')) return text;
  return /^"((?:[^"\\]|\\["\\])*)"$/.exec(text)?.[1]?.replace(/\\(.)/g, "$1");
}

/** The request with the fields in front: two messages in a row are one. What is too large or malformed the call tells. */
function put(call: UnaryCall, request: Buffer, fields: HeaderFields): Buffer | Refusal {
  const { input } = call.method;
  if (request.length > call.requestBytesMax || !isWellFormed(input, request)) return request;
  const added = new BinaryWriter();
  for (const { field: name, header, value } of fields) {
    const field = fieldNamed(call, name);
    const given = lastOf(field, request);
    if (given === value) continue;
    if (given !== undefined) {
      const expected = `must be the same in the header ${header} (${JSON.stringify(value)})`;
      return invalidField(name, expected, given);
    }
    if (value === true) added.tag(field.number, WireType.Varint).bool(true);
    else added.tag(field.number, WireType.LengthDelimited).string(value);
  }
  return Buffer.concat([added.finish(), request]);
}

/** What a text or a bool is in a well-formed message; undefined where it is not there, or what it is without being said. */
function lastOf(field: DescField, bytes: Buffer): string | boolean | undefined {
  const reader = new BinaryReader(bytes);
  let last: string | boolean | undefined;
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number !== field.number) reader.skip(wireType, number);
    else last = wireType === WireType.Varint ? reader.bool() : reader.string();
  }
  const unsaid = field.presence === FeatureSet_FieldPresence.IMPLICIT && (last === false || last === "");
  return unsaid ? undefined : last;
}
