/** JSON text as it is gone through, whatever is in it. */
import { fc, it } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { JsonError, JsonReader } from "../../src/transports/json/parse.ts";

/** JSON whose objects are lists of members, so that keys may come twice. */
type Written = null | boolean | number | string | Written[] | { readonly members: [string, Written][] };

/** Text that looks like JSON itself, so that what counts outside of strings is told from what does not. */
const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.stringMatching(/^[a1:{}[\],"\\]{0,4}$/),
  fc.constant("__proto__"),
);
const written = fc.letrec<{ value: Written }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<Written[]>(null, true, false, 0, -7, 9007199254740991, 1.5, 1e300, -2e-7),
    text,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.record({ members: fc.array(fc.tuple(text, tie("value")), { maxLength: 4 }) }),
  ),
})).value;

/** One change to a text: bytes in the place of others. */
const damage = fc.record({
  at: fc.nat(),
  gone: fc.nat(2),
  instead: fc.array(
    fc.constantFrom(...Buffer.from('{}[]",:\\/0123-+.eEuUtfnx \n\t\0\x0b'), 0x80, 0xc3, 0xff),
    {
      maxLength: 2,
    },
  ),
});

function check(bytes: Buffer): void {
  new JsonReader(bytes).check();
}

function byJsonParse(bytes: Buffer): unknown {
  try {
    return { is: JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)) };
  } catch {
    return undefined;
  }
}

describe("JSON text", () => {
  it.prop([written], { numRuns: 1_000 })("is refused if and only if an object has a key twice", (value) => {
    const bytes = Buffer.from(textOf(value));
    if (hasDuplicate(value)) expect(() => check(bytes)).toThrow(/^has the key .* twice in one object$/s);
    else check(bytes);
  });

  it.prop([written.filter((value) => !hasDuplicate(value)), damage], { numRuns: 5_000 })(
    "with a fault in it is refused if and only if JSON.parse refuses it, or a key has become another's",
    (value, { at, gone, instead }) => {
      const whole = Buffer.from(textOf(value));
      const place = at % whole.length;
      const bytes = Buffer.concat([
        whole.subarray(0, place),
        Buffer.from(instead),
        whole.subarray(place + gone),
      ]);
      let said = "";
      try {
        check(bytes);
      } catch (error) {
        if (!(error instanceof JsonError)) throw error;
        said = error.message;
      }
      if (byJsonParse(bytes) === undefined) expect(said).toMatch(/^is not (JSON|UTF-8)/);
      else expect(said).toMatch(/^$|twice in one object$/s);
    },
  );

  it.prop([fc.string({ unit: "binary" }), fc.boolean()], { numRuns: 1_000 })(
    "says in a string what JSON.parse reads from it",
    (value, escapes) => {
      const plain = JSON.stringify(value);
      const source = escapes ? plain.replace(/[A-Z]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`) : plain;
      const reader = new JsonReader(Buffer.from(source));
      reader.string();
      expect(reader.value()).toBe(JSON.parse(source));
      reader.finish();
    },
  );

  it.each([
    ["", "is not JSON: it ends after 0 bytes, unfinished"],
    ['{"a":', "is not JSON: it ends after 5 bytes, unfinished"],
    ['{"a":1]', 'is not JSON: unexpected "]" at byte 7'],
    ['["a\n"]', 'is not JSON: unexpected "\\n" at byte 4'],
    ['["\\x"]', 'is not JSON: unexpected "x" at byte 4'],
    ['["\\u00g0"]', 'is not JSON: unexpected "g" at byte 7'],
    ['["\\u00@0"]', 'is not JSON: unexpected "@" at byte 7'],
    ['["\\u12"]', 'is not JSON: unexpected "\\"" at byte 7'],
    ["[\u20ac]", 'is not JSON: unexpected "\u20ac" at byte 2'],
    ["[1] 2", 'is not JSON: unexpected "2" at byte 5'],
    ["[01]", 'is not JSON: unexpected "1" at byte 3'],
  ])("that is none says where: %s", (source, expected) => {
    expect(() => check(Buffer.from(source))).toThrow(expected);
  });
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
