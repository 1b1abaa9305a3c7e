/**
 * Goal: no door drops a header that another gives a meaning to.
 *
 * Method: a table of headers, each with a call and what must be said of it; each row is tried at every door that has the
 * call, on a counter of its own, and what it became is looked at: refused is not applied.
 */
import type { JsonObject } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Opened, open } from "../../transports/door.ts";
import { doorsOf, type Headers, type Said } from "./with-headers.ts";

interface Row {
  readonly method: string;
  readonly request?: JsonObject;
  /** "ETAG", "SETTINGS" and "WHOLE" stand for what names the counter, its settings, both. */
  readonly headers: Headers;
  readonly said: Said;
}

const row = (method: string, headers: Headers, said: Said, request: JsonObject = {}): Row => ({
  method,
  headers,
  said,
  request,
});
const KEY = "idempotency-key";
const NOT_TAKEN = "INVALID_FIELD If-Match";

const CHANGES: readonly [method: string, request: JsonObject][] = [
  ["Increment", { amount: "2" }],
  ["Decrement", { amount: "2" }],
  ["Set", { value: "2" }],
  ["Reset", {}],
  ["UpdateCounter", { max: "99" }],
  ["DeleteCounter", {}],
  ["BatchApply", { operations: [{ name: "other", increment: "1" }] }],
];

const TABLE: readonly Row[] = [
  // Idempotency-Key, in the ways that it is written.
  ...["k-1", '"k-1"', "a,b", 'in"side', '"a\\"b"'].map((key) => row("Increment", { [KEY]: key }, "OK")),
  ...["", '""', "a b", '"a b"', "k".repeat(65), "ä"].map((key) =>
    row("Increment", { [KEY]: key }, "INVALID_FIELD request_id"),
  ),
  ...['"', '"a', '"a"b"', '"a","b"', '"a";x=1', '"a\\b"'].map((key) =>
    row("Increment", { [KEY]: key }, "INVALID_FIELD Idempotency-Key"),
  ),
  row("Increment", { [KEY]: ["k-1", "k-2"] }, "INVALID_FIELD request_id"),
  row("Increment", { [KEY]: ["k-1", "k-1"] }, "INVALID_FIELD request_id"),
  row("Increment", { [KEY]: "k-1" }, "OK", { requestId: "k-1" }),
  row("Increment", { [KEY]: "k-1" }, "INVALID_FIELD request_id", { requestId: "k-2" }),
  row("BatchApply", { [KEY]: "k-1" }, "INVALID_FIELD request_id", {
    operations: [{ name: "other", increment: "1" }],
    requestId: "k-2",
  }),

  // If-Match.
  ...["Set", "Reset", "DeleteCounter"].flatMap((method) => {
    const request: JsonObject = method === "Set" ? { value: "2" } : {};
    return [
      ...['"ETAG"', "ETAG", '"WHOLE"', "WHOLE", "*"].map((tag) =>
        row(method, { "if-match": tag }, "OK", request),
      ),
      ...['"stale.1"', "stale.1", '"SETTINGS"', '""', '"stale.1.s1"'].map((tag) =>
        row(method, { "if-match": tag }, tag === '""' ? "INVALID_FIELD etag" : "ETAG_MISMATCH", request),
      ),
      ...['W/"ETAG"', '"ETAG", "x"', "ETAG, x", "", '"ETAG', "*, *", `"${"e".repeat(2_000)}`].map((tag) =>
        row(method, { "if-match": tag }, NOT_TAKEN, request),
      ),
      row(method, { "if-match": ['"ETAG"', '"ETAG"'] }, NOT_TAKEN, request),
      row(method, { "if-match": `"${"e".repeat(65)}"` }, "INVALID_FIELD etag", request),
    ];
  }),
  row("Set", { "if-match": '"ETAG"' }, "INVALID_FIELD etag", { value: "2", etag: "another" }),
  ...['"SETTINGS"', "SETTINGS", '"WHOLE"', "*"].map((tag) =>
    row("UpdateCounter", { "if-match": tag }, "OK", { max: "99" }),
  ),
  ...['"stale.s1"', '"ETAG"'].map((tag) =>
    row("UpdateCounter", { "if-match": tag }, "ETAG_MISMATCH", { max: "99" }),
  ),
  ...["Increment", "Decrement"].flatMap((method) => [
    row(method, { "if-match": '"ETAG"' }, NOT_TAKEN),
    row(method, { "if-match": "*" }, "OK"),
  ]),
  ...["Increment", "Decrement", "Set", "Reset", "UpdateCounter", "DeleteCounter"].map((method) =>
    row(method, { "if-match": "*" }, "COUNTER_NOT_FOUND", {
      name: "missing",
      ...(method === "Set" && { value: "1" }),
      ...(method === "UpdateCounter" && { max: "9" }),
    }),
  ),
  ...["*", '"ETAG"'].flatMap((tag) => [
    row("CreateCounter", { "if-match": tag }, NOT_TAKEN, { name: "new" }),
    row("BatchApply", { "if-match": tag }, NOT_TAKEN, { operations: [{ name: "other", increment: "1" }] }),
    row("BatchGetCounters", { "if-match": tag }, NOT_TAKEN, { names: ["other"] }),
  ]),

  // Other conditions: one that is not kept is refused.
  row("CreateCounter", { "if-none-match": "*" }, "OK", { name: "new" }),
  row("CreateCounter", { "if-none-match": '"x"' }, "INVALID_FIELD If-None-Match", { name: "new" }),
  row("BatchGetCounters", { "if-none-match": '"x"' }, "INVALID_FIELD If-None-Match", { names: ["other"] }),
  ...CHANGES.flatMap(([method, request]) => [
    row(method, { "if-none-match": "*" }, "INVALID_FIELD If-None-Match", request),
    row(method, { "if-none-match": '"ETAG"' }, "INVALID_FIELD If-None-Match", request),
    row(
      method,
      { "if-unmodified-since": "Thu, 01 Jan 2026 00:00:00 GMT" },
      "INVALID_FIELD If-Unmodified-Since",
      request,
    ),
  ]),

  // What has no meaning for a change anywhere, as HTTP has it.
  row(
    "Increment",
    {
      "if-modified-since": "Thu, 01 Jan 2026 00:00:00 GMT",
      range: "bytes=0-1",
      "if-range": '"x"',
      prefer: "wait=1",
    },
    "OK",
  ),
  row("BatchGetCounters", { [KEY]: "k-1" }, "OK", { names: ["other"] }),
];

let tries = 0;

/** A counter of its own of value 10, and what of it stands in a row; all other names are its own too. */
async function prepared({ client }: Opened, { method, headers, request }: Row) {
  const prefix = `t${tries++}.`;
  const { counter } = await client.createCounter({ name: `${prefix}c`, value: 10n, initial: 1n });
  const { etag, settingsEtag } = counter!;
  const put = (value: string) =>
    value
      .replace("WHOLE", `${etag}.s1`)
      .replace("SETTINGS", settingsEtag)
      .replace("ETAG", etag)
      .replace("k-", `${prefix}k-`);
  const named = JSON.stringify({ ...(!method.startsWith("Batch") && { name: "c" }), ...request })
    .replace(/"name":"/g, `"name":"${prefix}`)
    .replace('"names":["', `"names":["${prefix}`)
    .replace('"requestId":"', `"requestId":"${prefix}`);
  return {
    prefix,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [
        name,
        Array.isArray(value) ? value.map(put) : put(value),
      ]),
    ),
    request: JSON.parse(named) as JsonObject,
  };
}

/** All that a change could have touched. */
async function stateOf({ client }: Opened, prefix: string): Promise<string> {
  const { counters } = await client.listCounters({ prefix });
  return counters
    .map(({ name, value, revision, settingsRevision }) => `${name}=${value}/${revision}/${settingsRevision}`)
    .join(" ");
}

describe("headers, at every door", () => {
  const NAMED = TABLE.map((each) => {
    const headers = JSON.stringify(each.headers).slice(0, 90);
    return [
      `${each.method} ${headers} ${JSON.stringify(each.request).slice(0, 60)}: ${each.said}`,
      each,
    ] as const;
  });
  let opened: Opened;
  beforeAll(async () => {
    opened = await open();
  });
  afterAll(() => opened[Symbol.asyncDispose]());

  it.each(NAMED)("%s", async (_, each) => {
    for (const door of doorsOf(each.method)) {
      if (door.name === "gRPC" && !isSentByGrpc(each.headers)) continue;
      const { prefix, headers, request } = await prepared(opened, each);
      const { said } = await door.call(opened, each.method, request, headers);
      expect([door.name, said]).toEqual([door.name, each.said]);
      const changed = each.said === "OK" && each.method !== "BatchGetCounters";
      const state = await stateOf(opened, prefix);
      expect([door.name, state !== `${prefix}c=10/1/1`, state]).toEqual([door.name, changed, state]);
    }
  });

  it.each(CHANGES)(
    "a %s that is sent again under its Idempotency-Key is made once",
    async (method, request) => {
      for (const door of doorsOf(method)) {
        const sent = await prepared(opened, row(method, { [KEY]: '"k-again"' }, "OK", request));
        const send = () => door.call(opened, method, sent.request, sent.headers);
        expect([door.name, (await send()).said]).toEqual([door.name, "OK"]);
        const once = await stateOf(opened, sent.prefix);
        const again = await send();
        expect([door.name, again.said, await stateOf(opened, sent.prefix)]).toEqual([door.name, "OK", once]);
        const { outcome, replayed, value } = again.json as { outcome?: JsonObject } & JsonObject;
        if (door.name !== "the short paths") expect((outcome ?? { replayed }).replayed).toBe(true);
        else expect(value).toBeTypeOf("number");
      }
    },
  );
});

/** Its client takes metadata in ASCII only, and Node.js, on which it stands, an If-Match once. */
function isSentByGrpc(headers: Headers): boolean {
  return !Object.entries(headers).some(
    ([name, value]) => value === "ä" || (name === "if-match" && Array.isArray(value)),
  );
}
