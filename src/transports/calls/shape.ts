import {
  create,
  type DescField,
  type DescMessage,
  type DescOneof,
  fromBinary,
  isMessage,
  type Message,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import { type Path, pathToString } from "@bufbuild/protobuf/reflect";
import { type Duration, DurationSchema, type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { createValidator, type Violation } from "@bufbuild/protovalidate";
import type { Refusal } from "../../core/errors.ts";
import { isWellFormed } from "../../wire/well-formed.ts";

/**
 * The shape of a request: what its bytes must be and what each field must hold, by the rules in the .proto
 * files. What a field means is not judged here.
 */
const validator = createValidator({
  failFast: true,
  // The rules' own patterns, not input: the platform's engine is safe for them, and many times faster than RE2.
  regexMatch: (pattern, text) => compiled(pattern).test(text),
});

/** A message from its bytes; MALFORMED_MESSAGE when they are none, INVALID_FIELD when a field breaks its rule. */
export function readRequest<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
): { readonly message: MessageShape<Desc> } | Refusal {
  if (!isWellFormed(schema, bytes)) return { code: "MALFORMED_MESSAGE" };
  const message = fromBinary(schema, bytes, { readUnknownFields: false });
  return shapeRefusal(schema, message) ?? { message };
}

/** The first rule that a message breaks, by the order of its fields; undefined when there is none. */
export function shapeRefusal<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): Refusal | undefined {
  const result = validator.validate(schema, message);
  if (result.kind === "valid") return undefined;
  if (result.kind === "error") throw result.error;
  return toRefusal(result.violations[0]!, message);
}

/** Have everything compiled before the first call: 40 ms that a caller would wait otherwise. */
export function warmUp(schemas: readonly DescMessage[]): void {
  for (const schema of schemas) {
    if (warm.has(schema)) continue;
    shapeRefusal(schema, create(schema) as Message);
    warm.add(schema);
  }
}

/** Those of which the validator has everything, for whatever is opened in this process. */
const warm = new WeakSet<DescMessage>();

function toRefusal({ field: path, ruleId, message: text, forKey }: Violation, message: Message): Refusal {
  const rule = MESSAGE_RULES[ruleId];
  if (rule !== undefined) {
    const field = joined(pathToString(path), rule.field);
    return invalidField(field, rule.expected, valueAt([...path], message, rule.field));
  }
  const last = path.at(-1);
  if (last?.kind === "map_sub") {
    const map = path.at(-2);
    const name = map?.kind === "field" ? map.name : "";
    const expected = FIELD_RULES[`${name} ${forKey ? "key" : "value"}`] ?? text;
    const field = `${pathToString(path.slice(0, -1))}[${shown(last.key)}]`;
    return invalidField(field, expected, forKey ? undefined : valueAt(path, message));
  }
  if (last?.kind === "list_sub") {
    const list = path.at(-2);
    const name = list?.kind === "field" ? list.name : "";
    return invalidField(pathToString(path), FIELD_RULES[`${name} item`] ?? text, valueAt(path, message));
  }
  const name = last !== undefined && "name" in last ? last.name : "";
  const inside = path.at(-2);
  const of = inside?.kind === "field" ? FIELD_RULES[`${inside.name} ${name}`] : undefined;
  const own = last?.kind === "field" || last?.kind === "oneof" ? wordsFor(last) : FIELD_RULES[name];
  return invalidField(pathToString(path), of ?? own ?? text, valueAt(path, message));
}

/** What the rule of a field asks for, in words; undefined where it has none that say more than itself. */
export function wordsFor({ name, parent }: DescField | DescOneof): string | undefined {
  return FIELD_RULES[`${parent.name} ${name}`] ?? FIELD_RULES[name];
}

/**
 * A refusal for a field at fault.
 *
 * @param value  what was sent; undefined for a field that was left out, or whose path says it already
 */
export function invalidField(field: string, expected: string, value: unknown): Refusal {
  return { code: "INVALID_FIELD", field, expected, ...(value !== undefined && { got: shown(value) }) };
}

const NAME = 'must be 1 to 200 bytes of printable ASCII without spaces, the first not "-"';
const PREFIX = 'at most 200 bytes of printable ASCII without spaces, the first not "-"';
const TOKEN = "must be 1 to 64 bytes of printable ASCII without spaces";
const AMOUNT = "must be 1 to 9223372036854775807";
const TAKE_AMOUNT = `${AMOUNT}, in a dry run also 0`;
const PRINCIPAL = "1 to 63 of a-z, 0-9, ., _ and -, the first a letter or a digit";
const PRINCIPAL_DESCRIPTION = "must be at most 500 bytes of UTF-8";
const BOUND = "must be one of certificate and oidc";

/** What the fields' rules ask for, in words, by the field's name; a rule that is not here speaks for itself. */
export const FIELD_RULES: Readonly<Record<string, string>> = {
  name: NAME,
  request_id: TOKEN,
  etag: TOKEN,
  settings_etag: TOKEN,
  amount: AMOUNT,
  "TakeLimitRequest amount": TAKE_AMOUNT,
  "LimitTake amount": TAKE_AMOUNT,
  increment: AMOUNT,
  decrement: AMOUNT,
  value: "must be given",
  reset: "must be true",
  action: "must be one of increment, decrement, set and reset",
  note: "must be at most 200 bytes of UTF-8",
  description: "must be at most 1000 bytes of UTF-8",
  on_bound: "must be ON_BOUND_REJECT or ON_BOUND_CLAMP",
  labels: "must be at most 32 pairs",
  "labels key": "must have a key that matches [a-z0-9_.-]{1,63}",
  "labels value": "must be at most 200 bytes of UTF-8",
  operations: "must be 1 to 8000",
  names: "must be 1 to 1000",
  "names item": NAME,
  prefix: `must be ${PREFIX}`,
  after: `must be ${PREFIX}`,
  "SetPolicyRequest prefix": `must be there, "" for all counters, and ${PREFIX}`,
  "DeletePolicyRequest prefix": `must be there, "" for all counters, and ${PREFIX}`,
  page_size: "must be 1 to 1000",
  page_token: "must be at most 512 bytes of printable ASCII without spaces",
  n: "must be 1 to 1000",
  span: "must be one of every and calendar",
  subject: "must be one of name and prefix",
  every: "must be 1 minute to 366 days",
  fill: "must be HISTORY_FILL_LAST or HISTORY_FILL_NONE",
  calendar: "must be a unit of the calendar, such as CALENDAR_UNIT_DAY",
  time_zone: "must be the IANA name of a time zone, such as Europe/Berlin",
  day: "must be 1 to 31",
  "window every": "must be 1 second to 366 days",
  "refill every": "must be 1 millisecond to 366 days",
  idle_ttl: "must be 1 second to 3650 days",
  order: "must be TOP_ORDER_HIGHEST or TOP_ORDER_LOWEST",
  "CreatePrincipalRequest name": `must be ${PRINCIPAL}`,
  "GetPrincipalRequest name": `must be ${PRINCIPAL}`,
  "UpdatePrincipalRequest name": `must be ${PRINCIPAL}`,
  "DeletePrincipalRequest name": `must be ${PRINCIPAL}`,
  "CreatePrincipalRequest description": PRINCIPAL_DESCRIPTION,
  "CreateApiKeyRequest description": PRINCIPAL_DESCRIPTION,
  principal: `must be the name of a principal: ${PRINCIPAL}`,
  "UpdatePrincipalRequest principal": "must be given",
  "UpdatePrincipalRequest update_mask": "must be given",
  "ListBindingsRequest principal": `must be empty, or the name of a principal: ${PRINCIPAL}`,
  grants: "must be at most 64",
  "grants item": "must be 1 to 300 bytes, such as increment,create@shop.",
  "Rate calls": "must be 1 to 1000000",
  "Rate calls_burst": "must be 1 to 10000000",
  "Rate operations": "must be 1 to 100000000",
  "Rate operations_burst": "must be 1 to 1000000000",
  ttl: "must be 1 minute to 3650 days",
  "RevokeApiKeyRequest id": "must be the id of an API key: 12 letters and digits",
  "CreateBindingRequest subject": BOUND,
  "DeleteBindingRequest subject": BOUND,
  certificate: "must be 1 to 500 bytes of printable ASCII without spaces",
  oidc: "must be ALIAS:SUBJECT, at most 500 bytes: 1 to 32 of a-z, 0-9 and -, then printable ASCII without spaces",
  permission: "must be one that can be granted",
  target: "must be one of name and prefix",
  "ListDeniedRequest max": "must be 1 to 1000",
};

/** The rules between fields, by their id: the field that is told, and what it should be. */
export const MESSAGE_RULES: Readonly<Record<string, { readonly field: string; readonly expected: string }>> =
  {
    "create_counter.min_max": { field: "min", expected: "must not be above max" },
    "counter_settings.min_max": { field: "min", expected: "must not be above max" },
    "counter_settings.idle_ttl": { field: "idle_ttl", expected: "must be 0, or 1 second to 3650 days" },
    "increment.if_missing": { field: "if_missing", expected: "does not go with must_exist" },
    "set.if_missing": { field: "if_missing", expected: "does not go with must_exist, nor with etag" },
    "operation.if_missing_action": { field: "if_missing", expected: "is for increment and set only" },
    "operation.if_missing": { field: "if_missing", expected: "does not go with must_exist, nor with etag" },
    "window.calendar_zone": { field: "time_zone", expected: "must be given with calendar, and only then" },
    "window.anchor_every": { field: "anchor", expected: "is for every only" },
    "window.day_month": { field: "day", expected: "is for CALENDAR_UNIT_MONTH only" },
    "operation.etag_action": { field: "etag", expected: "is for set and reset only" },
    "bulk.all": { field: "all", expected: "must be true without prefix and labels, and only then" },
    "bulk.after": { field: "after", expected: "must begin with prefix" },
    "operation.note_action": { field: "note", expected: "is for set and reset only" },
  };

/** The path of a field inside the field at a path. */
export function joined(path: string, field: string): string {
  return path === "" ? field : `${path}.${field}`;
}

/** What was found wrong with the settings in a part of a request, its field by its path from the request on. */
export function inPart<R extends Refusal>(part: string, refusal: R): R {
  const { field } = refusal;
  return field?.startsWith("if_missing.") ? { ...refusal, field: joined(part, field) } : refusal;
}

/** What a message holds at a path, and below it in a field given by name. */
function valueAt(path: Path, message: Message, below?: string): unknown {
  let value: unknown = message;
  for (const step of path) {
    if (value === undefined) return undefined;
    if (step.kind === "list_sub") value = (value as unknown[])[step.index];
    else if (step.kind === "map_sub") value = (value as Record<string, unknown>)[String(step.key)];
    else if (step.kind === "field" && step.oneof !== undefined) {
      const chosen = (value as Record<string, { case?: string; value?: unknown }>)[step.oneof.localName];
      value = chosen?.case === step.localName ? chosen.value : undefined;
    } else if (step.kind === "field") value = (value as Record<string, unknown>)[step.localName];
    else return undefined;
  }
  return below === undefined ? value : (value as Record<string, unknown>)[below];
}

/** A value for a message to people, in at most 60 bytes. */
export function shown(value: unknown): string {
  if (typeof value === "string") return shownText(value);
  if (Array.isArray(value)) return `${value.length}`;
  for (const schema of [DurationSchema, TimestampSchema])
    if (isMessage(value, schema)) return shownTime(schema, value);
  if (typeof value === "object" && value !== null) return `${Object.keys(value).length}`;
  return `${value}`;
}

/** As JSON has it, an instant by RFC 3339; of what is beyond all that it can say, the numbers. */
function shownTime(schema: DescMessage, value: Duration | Timestamp): string {
  try {
    return JSON.stringify(toJson(schema, value));
  } catch {
    const { seconds, nanos } = value;
    return nanos === 0 ? `${seconds} s` : `${seconds} s and ${nanos} ns`;
  }
}

function shownText(text: string): string {
  let start = "";
  for (const character of text) {
    const escaped = JSON.stringify(character).slice(1, -1);
    if (Buffer.byteLength(start) + Buffer.byteLength(escaped) > 36) {
      return `"${start}"... (${Buffer.byteLength(text)} bytes)`;
    }
    start += escaped;
  }
  return `"${start}"`;
}

const patterns = new Map<string, RegExp>();

/** The pattern of a rule. */
export function compiled(pattern: string): RegExp {
  let regex = patterns.get(pattern);
  if (regex === undefined) {
    regex = new RegExp(pattern, "u");
    patterns.set(pattern, regex);
  }
  return regex;
}
