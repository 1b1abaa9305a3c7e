/** JSON text as it is read, whatever its strings look like. */
import { fc, it } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { type Json, JsonError, Numeral, parseJson } from "../../src/transports/json/parse.ts";

/** JSON whose objects are lists of members, so that keys may come twice. */
type Written = null | boolean | number | string | Written[] | { readonly members: [string, Written][] };

/** Text that looks like JSON itself, so that what counts outside of strings is told from what does not. */
const text = fc.oneof(fc.string(), fc.stringMatching(/^[a1:{}[\],"\\]{0,4}$/), fc.constant("__proto__"));
const written = fc.letrec<{ value: Written }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<Written[]>(null, true, 0, -7, 9007199254740991),
    text,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.record({ members: fc.array(fc.tuple(text, tie("value")), { maxLength: 4 }) }),
  ),
})).value;

describe("JSON text", () => {
  it.prop([written], { numRuns: 1_000 })(
    "is refused if and only if an object has a key twice, and else means what it says",
    (value) => {
      const read = () => plain(parseJson(Buffer.from(textOf(value))));
      if (hasDuplicate(value)) expect(read).toThrow(JsonError);
      else expect(read()).toEqual(JSON.parse(textOf(value)));
    },
  );
});

function textOf(value: Written): string {
  if (Array.isArray(value)) return `[${value.map(textOf).join(" ,")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{ ${value.members.map(([key, item]) => `${JSON.stringify(key)}: ${textOf(item)}`).join(",")}}`;
}

function hasDuplicate(value: Written): boolean {
  if (Array.isArray(value)) return value.some(hasDuplicate);
  if (typeof value !== "object" || value === null) return false;
  const keys = value.members.map(([key]) => key);
  return new Set(keys).size < keys.length || value.members.some(([, item]) => hasDuplicate(item));
}

/** With its numbers as numbers. */
function plain(json: Json): unknown {
  if (json instanceof Numeral) return Number(json.source);
  if (Array.isArray(json)) return json.map(plain);
  if (typeof json !== "object" || json === null) return json;
  return Object.fromEntries(Object.entries(json).map(([key, item]) => [key, plain(item)]));
}
