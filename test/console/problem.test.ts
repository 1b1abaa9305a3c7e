/** What the page says of refusals: in words for people, who know neither fields nor bytes. */
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { BadRequestSchema, ErrorInfoSchema } from "../../gen/browser/google/rpc/error_details_pb.ts";
import { problemOf } from "../../src/console/problem.ts";
import { FIELD_RULES, MESSAGE_RULES } from "../../src/transports/calls/shape.ts";

/** What is typed or chosen on the page, where the server may find its form wrong: as a refusal names it. */
const FIELDS = [
  ...["name", "prefix", "description", "labels", 'labels["a b"]', 'labels["a"]'],
  ...["min", "max", "window.every", "window.time_zone", "window.day", "refill.every", "idle_ttl"],
];

describe("a field that the server refuses for its form", () => {
  it.each(FIELDS)("%s: is told in the page's own words", (field) => {
    const { atField } = problemOf(refusalOf(field, expectedOf(field)));
    expect(atField).toMatch(/^[A-Z0-9].*\.$/);
    expect(atField).not.toMatch(/must|byte|ASCII|UTF|\bgot\b|\[a-z/);
  });
});

function refusalOf(field: string, expected: string): ConnectError {
  const description = `${expected}, got "x"`;
  const error = new ConnectError(`${field} ${description}`, Code.InvalidArgument);
  error.details = [
    { desc: ErrorInfoSchema, value: { domain: "tally", reason: "INVALID_FIELD", metadata: { field } } },
    { desc: BadRequestSchema, value: { fieldViolations: [{ field, description }] } },
  ];
  return error;
}

/** As the server words it. */
function expectedOf(field: string): string {
  if (field.startsWith("labels[")) return FIELD_RULES[field.includes(" ") ? "labels key" : "labels value"]!;
  const rule = Object.values(MESSAGE_RULES).find((each) => each.field === field);
  const words =
    FIELD_RULES[field.replace(".", " ")] ?? FIELD_RULES[field.split(".").at(-1)!] ?? rule?.expected;
  if (field === "max") return "must not be below min";
  expect(words, `a rule of ${field}`).toBeDefined();
  return words!;
}
