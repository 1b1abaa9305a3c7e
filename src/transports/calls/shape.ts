import { create, type DescMessage, fromBinary, type Message, type MessageShape } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator, type Violation } from "@bufbuild/protovalidate";
import type { Refusal } from "../../core/errors.ts";

/**
 * The shape of a request: what its bytes must be and what each field must hold, by the rules in the .proto
 * files. What a field means is not judged here.
 */
const validator = createValidator({
  failFast: true,
  // The rules' own patterns, not input: the platform's engine is safe for them, and many times faster than RE2.
  regexMatch: (pattern, text) => compiled(pattern).test(text),
});

/** Why a message is not acceptable; undefined when it is. */
export function shapeRefusal<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): Refusal | undefined {
  const result = validator.validate(schema, message);
  if (result.kind === "valid") return undefined;
  if (result.kind === "error") throw result.error;
  return toRefusal(result.violations[0]!);
}

/** Have everything compiled before the first call: 40 ms that a caller would wait otherwise. */
export function warmUp(schemas: readonly DescMessage[]): void {
  for (const schema of schemas) shapeRefusal(schema, create(schema) as Message);
}

/** A message from its bytes. */
export function decode<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
): MessageShape<Desc> | undefined {
  try {
    return fromBinary(schema, bytes, { readUnknownFields: false });
  } catch {
    return undefined;
  }
}

function toRefusal(violation: Violation): Refusal {
  const field = pathToString(violation.field);
  return { code: "INVALID_FIELD", field, expected: violation.message };
}

const patterns = new Map<string, RegExp>();

function compiled(pattern: string): RegExp {
  let regex = patterns.get(pattern);
  if (regex === undefined) {
    regex = new RegExp(pattern, "u");
    patterns.set(pattern, regex);
  }
  return regex;
}
