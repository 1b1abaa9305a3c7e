/** The OpenAPI document is one, is complete, and its examples are what a server really answers. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getOption, hasOption } from "@bufbuild/protobuf";
import { Validator } from "@seriousme/openapi-schema-validator";
import { describe, expect, it } from "vitest";
import { http } from "../../../gen/google/api/annotations_pb.ts";
import { AdminService } from "../../../gen/tally/v1/admin_service_pb.ts";
import { ErrorReasonSchema } from "../../../gen/tally/v1/error_reason_pb.ts";
import { EXAMPLES } from "../../../scripts/openapi/examples.ts";
import type { Verification } from "../../../src/service/store-findings.ts";
import type { KeyUses } from "../../../src/service/store-key-uses.ts";
import { WHOLE_API } from "../../../src/transports/calls/services.ts";
import { patternOf } from "../../../src/transports/rest/template.ts";
import { guarded } from "../../guard/guarded.ts";
import { SERVER_INFO } from "../../support/server-info.ts";
import { open } from "../../transports/door.ts";

const TEXT = readFileSync(new URL("../../../gen/openapi.json", import.meta.url), "utf8");
const DOCUMENT = JSON.parse(TEXT);
const OPERATIONS = Object.entries<Record<string, { operationId: string }>>(DOCUMENT.paths).flatMap(
  ([path, methods]) =>
    Object.entries(methods).map(([method, { operationId }]) => ({ path, method, operationId })),
);

describe("openapi.json", () => {
  it("is valid OpenAPI 3.1", async () => {
    expect(await new Validator().validate(DOCUMENT)).toEqual({ valid: true });
  });

  it("and the check of that finds faults", async () => {
    const broken = structuredClone(DOCUMENT);
    delete broken.paths["/v1/counters/{name}"].get.responses;
    broken.paths["/v1/counters/{name}"].get.parameters[0].in = "nowhere";
    expect(await new Validator().validate(broken)).toMatchObject({ valid: false });
  });

  it("refers to nothing that it does not have", () => {
    for (const [, ref] of TEXT.matchAll(/"\$ref": "#\/([^"]*)"/g)) {
      const found = ref!.split("/").reduce((at, step) => at?.[step], DOCUMENT);
      expect(found, ref).toBeDefined();
    }
  });

  it.each(
    WHOLE_API.flatMap(({ methods }) => methods.filter((method) => hasOption(method, http))).map(
      (method) => [method.name, method] as const,
    ),
  )("has %s at the paths of its annotation", (name, method) => {
    expect(hasOption(method, http)).toBe(true);
    const rule = getOption(method, http);
    for (const each of [rule, ...rule.additionalBindings]) {
      const [verb, path] = patternOf(each);
      const found = OPERATIONS.find((one) => one.path === path && one.method === verb.toLowerCase());
      expect(found?.operationId).toMatch(new RegExp(`^${name}[0-9]*$`));
    }
  });

  it("has every reason of an error, and an example of each", () => {
    const reasons = ErrorReasonSchema.values
      .slice(1)
      .map(({ name }) => name)
      .filter((name) => name !== "UNAUTHENTICATED"); // Not given any more.
    expect(DOCUMENT.components.schemas.ErrorReason.enum).toEqual(reasons);
    expect(Object.keys(DOCUMENT.components.examples)).toEqual(reasons);
  });
});

describe("the examples", () => {
  it("are there for every operation", () => {
    expect(OPERATIONS.map(({ operationId }) => operationId).sort()).toEqual(Object.keys(EXAMPLES).sort());
  });

  it("are what a new server answers, one after the other", async () => {
    const [rootKeyFile, root] = [join(mkdtempSync(join(tmpdir(), "tally-")), "root"), "r".repeat(32)];
    writeFileSync(rootKeyFile, root);
    const keyUses: KeyUses = {
      note: async () => {},
      read: async (ids) => new Map(ids.map((id) => [id, Date.UTC(2026, 0, 1, 12)])), // As if others had used each.
    };
    using it_ = await guarded({ rootKeyFile, keyUses, randomBytes: (bytes) => Buffer.alloc(bytes, 1) });
    const { authorise, administration } = it_.guard;
    await using opened = await open({
      authorise: (head) => (head.method.parent === AdminService ? authorise(head) : { caller: "" }),
      administration,
      authenticates: true,
      serverInfo: async () => SERVER_INFO,
      verifications: { run: async () => VERIFICATION },
    });
    for (const [operationId, { parameters = {}, body, answer }] of Object.entries(EXAMPLES)) {
      const { path, method } = OPERATIONS.find((each) => each.operationId === operationId)!;
      const response = await fetch(`http://127.0.0.1:${opened.door.port}${targetOf(path, parameters)}`, {
        method: method.toUpperCase(),
        headers: {
          authorization: `Bearer ${root}`,
          ...(body && { "content-type": "application/json" }),
        },
        ...(body && { body: JSON.stringify(body) }),
      });
      const streams = response.headers.get("content-type") === "application/x-ndjson";
      const said = comparable(streams ? linesIn(await response.text()) : await response.json());
      expect({ operationId, status: response.status, said }).toEqual({
        operationId,
        status: 200,
        said: comparable(answer),
      });
    }
  });
});

const VERIFICATION: Verification = {
  ...{ store: "SQLite /var/lib/tally/tally.db", served: true, counters: 12, sum: 4_711n, commits: 90 },
  ...{ requestIds: 88, historyRows: 240, more: 0 },
  findings: [
    {
      ...{ code: "VALUE_UNACCOUNTED", name: "page-views", mend: "accept" },
      about: "it has the value 70 at revision 1, and its changes lead to 5 at revision 1",
    },
  ],
};

/** A path with its fields in it, and a query of what is not in the path. */
function targetOf(path: string, parameters: Readonly<Record<string, unknown>>): string {
  const query = new URLSearchParams();
  let target = path;
  for (const [name, value] of Object.entries(parameters)) {
    if (path.includes(`{${name}}`)) target = target.replace(`{${name}}`, encodeURIComponent(`${value}`));
    else if (typeof value !== "object" || value === null) query.set(name, `${value}`);
    else for (const [key, text] of Object.entries(value)) query.set(key, `${text}`);
  }
  return query.size === 0 ? target : `${target}?${query}`;
}

/** A text of lines, each JSON. */
function linesIn(text: string): unknown[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** What differs from run to run, by its form only. */
function comparable(json: unknown): unknown {
  const text = JSON.stringify(json)
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, "a UUID")
    .replace(/"v\d+\.\d+\.\d+"/g, '"a version of Node.js"')
    .replace(/tally_\w{12}_\w{43}_\w{6}/g, "a key")
    .replace(/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z"/g, '"a time"');
  return JSON.parse(text);
}
