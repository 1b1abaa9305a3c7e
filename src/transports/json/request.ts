import type { DescField, DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Refusal } from "../../core/errors.ts";
import { invalidField, readRequest, shown } from "../calls/shape.ts";
import { COMMA, OPEN_ARRAY, OPEN_OBJECT, QUOTE } from "./characters.ts";
import { Encoder } from "./encoder.ts";
import { Fault } from "./fault.ts";
import { JsonError, JsonReader, Keys } from "./parse.ts";
import { planOf } from "./plan.ts";

/**
 * The bytes of a message from its JSON text in UTF-8, or why there are none.
 *
 * The mapping is that of ProtoJSON, read strictly: what one client's library would round, another's drop and a
 * third's refuse is refused here, by the name of its field.
 *
 * - An int64 as a number is taken if it is written as a whole number that a float holds exactly, so up to 2^53-1;
 *   as a string, if it is plain decimal.
 * - A key that the message does not have is refused, and so is a field that comes twice, by both of its names.
 *
 * @param beside  fields that stand in the path, by name; the text may have them too if it says the same
 * @see https://protobuf.dev/programming-guides/json/
 */
export function encodeJsonText(
  schema: DescMessage,
  text: Buffer,
  beside: Readonly<Record<string, string>> = {},
): Buffer | Refusal {
  try {
    const reader = new JsonReader(text);
    if (reader.next() === OPEN_OBJECT) return encode(schema, reader, beside);
    reader.check();
    return { code: "MALFORMED_MESSAGE", expected: "must be a JSON object" };
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return { code: "MALFORMED_MESSAGE", expected: error.message };
  }
}

function encode(
  schema: DescMessage,
  reader: JsonReader,
  beside: Readonly<Record<string, string>>,
): Buffer | Refusal {
  const encoder = new Encoder(planOf(schema), reader, beside);
  try {
    const bytes = encoder.encode();
    return encoder.excess.size === 0 ? bytes : tooMany(schema, bytes, encoder.excess);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    reader.check(); // Of what is not JSON at all that is told, wherever it shows.
    const refusal = invalidField(encoder.where(), error.expected, undefined);
    return error.at === undefined ? refusal : { ...refusal, got: shownAt(reader, error.at) };
  }
}

/** The value at a place of a text, for a message to people. */
function shownAt(reader: JsonReader, at: number): string {
  reader.at = at;
  const first = reader.next();
  const start = reader.at;
  const count = reader.skip(0);
  if (first === OPEN_ARRAY) return `an array of ${count}`;
  if (first === OPEN_OBJECT) return `an object of ${count}`;
  if (first === QUOTE) return shown(reader.value());
  return reader.bytes.toString("latin1", start, Math.min(reader.at, start + SOURCE_BYTES_MAX));
}

/** Of a number as it was written. */
const SOURCE_BYTES_MAX = 40;

/**
 * The refusal of a message with a list or map that has too many, of which one more than it may have was written.
 *
 * It is judged as at any other door, where a field before it may be refused first; only how many there are is not in
 * the bytes.
 */
function tooMany(schema: DescMessage, bytes: Buffer, excess: ReadonlyMap<string, number>): Refusal {
  const read: Refusal | { message: MessageShape<DescMessage> } = readRequest(schema, bytes);
  if (!("code" in read)) throw new TypeError(`expected a refusal of ${[...excess.keys()]}, got none`);
  const count = excess.get(read.field ?? "");
  return count === undefined ? read : { ...read, got: `${count}` };
}

/** A field by either of its names, as ProtoJSON takes both. */
export function fieldOf(schema: DescMessage, key: string): DescField | undefined {
  return planOf(schema).fields.get(key)?.field;
}

/**
 * Whether a text is an object with a key; false also where it is no JSON so far.
 *
 * Behind an object or array it is not looked for: what is told apart by a key has none, and is refused either way. To
 * go through a text once more would double what the longest takes.
 */
export function hasKey(text: Buffer, key: string): boolean {
  try {
    const reader = new JsonReader(text);
    if (!reader.takes(OPEN_OBJECT)) return false;
    const keys = new Keys();
    do {
      if (reader.key(keys) === key) return true;
      const next = reader.next();
      if (next === OPEN_OBJECT || next === OPEN_ARRAY) return false;
      reader.skip(1);
    } while (reader.takes(COMMA));
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
  }
  return false;
}
