/** The rule for names stands once, and is that of the .proto files. */
import { getOption, hasOption } from "@bufbuild/protobuf";
import { field as fieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { describe, expect, it } from "vitest";
import { CounterService, OperationSchema } from "../../gen/tally/v1/counter_service_pb.ts";
import { isName, isPrefix, NAME_BYTES_MAX, NAME_PATTERN } from "../../src/core/name.ts";

const FIELDS = [...CounterService.methods.map(({ input }) => input), OperationSchema]
  .flatMap(({ fields }) => fields)
  .filter(({ name }) => ["name", "names", "prefix"].includes(name));

describe("names", () => {
  it.each(FIELDS.map((field) => [field.toString(), field] as const))(
    "%s has the rule of core",
    (_, field) => {
      expect(hasOption(field, fieldRules)).toBe(true);
      const { type } = getOption(field, fieldRules);
      const rules = type.case === "repeated" ? type.value.items!.type : type;
      if (rules.case !== "string") throw new TypeError(`expected rules of a text, got ${rules.case}`);
      const { pattern, minBytes, maxBytes } = rules.value;
      const bare = NAME_PATTERN.slice(1, -1);
      expect([pattern, minBytes, maxBytes]).toEqual(
        field.name === "prefix"
          ? [`^(${bare})?$`, 0n, BigInt(NAME_BYTES_MAX)]
          : [NAME_PATTERN, 1n, BigInt(NAME_BYTES_MAX)],
      );
    },
  );

  it("has looked at every method that names a counter", () => {
    expect(FIELDS.length).toBeGreaterThanOrEqual(13);
  });

  it.each(["a", "~", "!", "a-b", "A/b:c", "x".repeat(200)])("%s is one, and a prefix of others", (text) => {
    expect([isName(text), isPrefix(text)]).toEqual([true, true]);
  });

  it.each(["-", "-a", " ", "a b", "\x7f", "é", "a\n", "x".repeat(201)])("%j is neither", (text) => {
    expect([isName(text), isPrefix(text)]).toEqual([false, false]);
  });

  it("nothing is no name, and the prefix of all", () => {
    expect([isName(""), isPrefix("")]).toEqual([false, true]);
  });
});
