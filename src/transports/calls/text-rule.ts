import { type DescField, getOption, isFieldSet } from "@bufbuild/protobuf";
import {
  field as fieldRules,
  StringRulesSchema,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import type { Refusal } from "../../core/errors.ts";
import { compiled, invalidField, wordsFor } from "./shape.ts";

/**
 * Why a text is none for its field, for who has no more of a message yet: by how many bytes its rule in the .proto files
 * allows, and of which form. What else a rule may say is judged with the message, and so is what nothing is found wrong with.
 */
export function textRefusal(field: DescField, text: string): Refusal | undefined {
  let rule = rules.get(field);
  if (rule === undefined) {
    rule = ruleOf(field);
    rules.set(field, rule);
  }
  const { minBytes, maxBytes, pattern, expected } = rule;
  const bytes = Buffer.byteLength(text);
  const fits = bytes >= minBytes && bytes <= maxBytes && (pattern === undefined || pattern.test(text));
  return fits ? undefined : invalidField(field.name, expected, text);
}

interface TextRule {
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly pattern: RegExp | undefined;
  readonly expected: string;
}

const NONE: TextRule = { minBytes: 0, maxBytes: Number.POSITIVE_INFINITY, pattern: undefined, expected: "" };

/** Those that were read: reading one takes longer than a call may. */
const rules = new WeakMap<DescField, TextRule>();

function ruleOf(field: DescField): TextRule {
  const { type } = getOption(field, fieldRules);
  const expected = wordsFor(field);
  if (type.case !== "string" || expected === undefined) return NONE;
  const { value } = type;
  const { maxBytes, pattern } = StringRulesSchema.field;
  return {
    minBytes: Number(value.minBytes),
    maxBytes: isFieldSet(value, maxBytes) ? Number(value.maxBytes) : NONE.maxBytes,
    pattern: isFieldSet(value, pattern) ? compiled(value.pattern) : undefined,
    expected,
  };
}
