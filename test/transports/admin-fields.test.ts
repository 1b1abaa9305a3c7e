/** A field of AdminService that breaks its rule is told by that rule, and not by one of a counter's field of the same name. */
import { create, type DescField, type DescMessage, type DescOneof, type Message } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { AdminService } from "../../gen/tally/v1/admin_service_pb.ts";
import { shapeRefusal } from "../../src/transports/calls/shape.ts";

const { method } = AdminService;
const NAME = "must be 1 to 63 of a-z, 0-9, ., _ and -, the first a letter or a digit";
const OF = "must be the name of a principal: 1 to 63 of a-z, 0-9, ., _ and -, the first a letter or a digit";
const COUNTER = 'must be 1 to 200 bytes of printable ASCII without spaces, the first not "-"';
const TOKEN = "must be 1 to 64 bytes of printable ASCII without spaces";
const DESCRIPTION = "must be at most 500 bytes of UTF-8";
const BOUND = "must be one of certificate and oidc";
const CERTIFICATE = "must be 1 to 500 bytes of printable ASCII without spaces";
const OIDC =
  "must be ALIAS:SUBJECT, at most 500 bytes: 1 to 32 of a-z, 0-9 and -, then printable ASCII without spaces";
const LONG = "d".repeat(501);
const named = { name: "a" };
const of = { principal: "a" };
const updates = { ...named, principal: {}, updateMask: { paths: [] } };
const checked = { ...of, permission: 1 };

/** What is sent; the field that is told, by its path; and its rule. */
const cases: readonly (readonly [DescMessage, object, string, string])[] = [
  ...[method.createPrincipal, method.getPrincipal, method.updatePrincipal, method.deletePrincipal].flatMap(
    ({ input }) =>
      ["", ".", "..", "-", "_a", "-a", ".a", "A", "a b", "a".repeat(64)].map(
        (name) => [input, { ...updates, name }, "name", NAME] as const,
      ),
  ),
  ...[method.createApiKey, method.listApiKeys, method.createBinding, method.checkAccess].flatMap(
    ({ input }) => ["", "..", "-a", "A"].map((principal) => [input, { principal }, "principal", OF] as const),
  ),
  [method.createPrincipal.input, { ...named, description: LONG }, "description", DESCRIPTION],
  [method.createPrincipal.input, { ...named, grants: Array(65).fill("a@") }, "grants", "must be at most 64"],
  [
    method.createPrincipal.input,
    { ...named, grants: [""] },
    "grants[0]",
    "must be 1 to 300 bytes, such as increment,create@shop.",
  ],
  ...(
    [
      [{}, "calls", "must be 1 to 1000000"],
      [{ calls: 1, callsBurst: 0 }, "calls_burst", "must be 1 to 10000000"],
      [{ calls: 1, operations: 0 }, "operations", "must be 1 to 100000000"],
      [{ calls: 1, operationsBurst: 0 }, "operations_burst", "must be 1 to 1000000000"],
    ] as const
  ).flatMap(
    ([rate, field, expected]) =>
      [
        [method.createPrincipal.input, { ...named, rate }, `rate.${field}`, expected],
        [
          method.updatePrincipal.input,
          { ...updates, principal: { rate } },
          `principal.rate.${field}`,
          expected,
        ],
      ] as const,
  ),
  [method.listPrincipals.input, { pageSize: 0 }, "page_size", "must be 1 to 1000"],
  [
    method.listPrincipals.input,
    { pageToken: " " },
    "page_token",
    "must be at most 512 bytes of printable ASCII without spaces",
  ],
  [method.updatePrincipal.input, { ...updates, principal: undefined }, "principal", "must be given"],
  [method.updatePrincipal.input, { ...updates, updateMask: undefined }, "update_mask", "must be given"],
  [method.updatePrincipal.input, { ...updates, etag: "" }, "etag", TOKEN],
  [method.deletePrincipal.input, { ...named, etag: "" }, "etag", TOKEN],
  [method.createApiKey.input, { ...of, description: LONG }, "description", DESCRIPTION],
  [method.createApiKey.input, { ...of, ttl: { seconds: 59n } }, "ttl", "must be 1 minute to 3650 days"],
  [method.revokeApiKey.input, { id: "short" }, "id", "must be the id of an API key: 12 letters and digits"],
  [method.createBinding.input, of, "subject", BOUND],
  [method.createBinding.input, { ...of, subject: chosen("certificate", " ") }, "certificate", CERTIFICATE],
  [method.createBinding.input, { ...of, subject: chosen("oidc", "corp") }, "oidc", OIDC],
  [
    method.listBindings.input,
    { principal: "-" },
    "principal",
    "must be empty, or the name of a principal: 1 to 63 of a-z, 0-9, ., _ and -, the first a letter or a digit",
  ],
  [method.deleteBinding.input, {}, "subject", BOUND],
  [method.deleteBinding.input, { subject: chosen("certificate", "") }, "certificate", CERTIFICATE],
  [method.deleteBinding.input, { subject: chosen("oidc", ":a") }, "oidc", OIDC],
  [method.checkAccess.input, { ...checked, permission: 99 }, "permission", "must be one that can be granted"],
  [method.checkAccess.input, checked, "target", "must be one of name and prefix"],
  [method.checkAccess.input, { ...checked, target: chosen("name", "-a") }, "name", COUNTER],
  [
    method.checkAccess.input,
    { ...checked, target: chosen("prefix", "-a") },
    "prefix",
    'must be at most 200 bytes of printable ASCII without spaces, the first not "-"',
  ],
  [method.listDenied.input, { max: 0 }, "max", "must be 1 to 1000"],
];

describe("a field of AdminService", () => {
  it.each(
    cases.map(
      ([schema, ...rest]) => [schema.name, rest[1], JSON.stringify(sent(rest[0])), schema, rest] as const,
    ),
  )("%s.%s is told by its own rule: %s", (_, __, ___, schema, [fields, field, expected]) => {
    expect(shapeRefusal(schema, create(schema, fields as never) as Message)).toMatchObject({
      code: "INVALID_FIELD",
      field,
      expected,
    });
  });

  it("is among these if it has a rule, each one", () => {
    const told = new Set(cases.map(([schema, , path]) => `${schema.name}.${path.replace(/\[.*/, "")}`));
    const ruled = AdminService.methods.flatMap(({ input }) => ruledIn(input, `${input.name}.`));
    expect(ruled.filter((path) => !told.has(path))).toEqual([]);
    expect(ruled.length).toBeGreaterThan(30);
  });
});

it("takes the names that principals can have", () => {
  for (const name of ["a", "0", "shop", "a.", "a-_.9", "a".repeat(63)])
    expect(
      shapeRefusal(method.createPrincipal.input, create(method.createPrincipal.input, { name })),
      name,
    ).toBe(undefined);
});

/** The paths of what has a rule in a message and in those below it. */
function ruledIn(schema: DescMessage, path: string): string[] {
  const hasRule = ({ proto }: DescField | DescOneof) => (proto.options?.$unknown ?? []).length > 0;
  return [
    ...[...schema.fields, ...schema.oneofs].filter(hasRule).map(({ name }) => path + name),
    ...schema.fields
      .filter(({ fieldKind, message }) => fieldKind === "message" && message!.typeName.startsWith("tally."))
      .flatMap(({ name, message }) => ruledIn(message!, `${path}${name}.`)),
  ];
}

function chosen(kind: string, value: string) {
  return { case: kind, value };
}

/** For the title: no number of JSON is a bigint. */
function sent(fields: object): object {
  return JSON.parse(JSON.stringify(fields, (_, value) => (typeof value === "bigint" ? `${value}` : value)));
}
