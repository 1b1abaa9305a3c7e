/** Conditions of reads by GET: what the caller has is not sent again, and what it does not mean is not sent at all. */
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { type Opened, open } from "./door.ts";
import { type Got, send } from "./http.ts";

const MESSAGE = encodeURIComponent('{"name":"a"}');
/** Every path that reads one counter. */
const READS = [
  "/v1/counters/a",
  "/counters/a",
  `/tally.v1.CounterService/GetCounter?encoding=json&message=${MESSAGE}`,
  `/tally.v1.CounterService/GetCounter?encoding=proto&base64=1&message=CgFh`,
];
const SHOW_SETTINGS = READS.filter((path) => !path.startsWith("/counters/"));

const asking =
  (opened: Opened, path: string, method = "GET") =>
  (headers: Record<string, string | string[]> = {}) =>
    send(opened.door.port, { method, path, headers });

/** The reason of a refusal in the words of REST or of Connect. */
function reasonIn({ json, error }: Got): string | undefined {
  const { details = [] } = json as { details?: { debug: { reason: string } }[] };
  return error?.reason ?? details[0]?.debug.reason;
}

describe.each(READS)("GET %s", (path) => {
  async function openAt() {
    const opened = await open();
    await opened.client.createCounter({ name: "a", value: 3n });
    const get = asking(opened, path);
    const { etag } = (await get()).headers;
    return Object.assign(opened, { get, etag: etag! });
  }

  it.each<[string, (etag: string) => string | string[]]>([
    ["its etag", (etag) => etag],
    ["its etag, weak", (etag) => `W/${etag}`],
    ["its etag, without quotes", (etag) => etag.slice(1, -1)],
    ["its etag among others", (etag) => `"x", W/"y,z" ,, ${etag}`],
    ["two headers", (etag) => ['"x"', etag]],
    ["any", () => "*"],
  ])("is 304 with its ETag and no body for who has it: %s", async (_, noneMatch) => {
    await using opened = await openAt();
    const whole = await opened.get();
    for (const method of ["GET", "HEAD"]) {
      const got = await asking(opened, path, method)({ "if-none-match": noneMatch(opened.etag) });
      expect([got.status, got.bytes.length, got.headers.etag]).toEqual([304, 0, opened.etag]);
      expect(got.headers["cache-control"]).toBe(whole.headers["cache-control"]);
      expect(got.headers.vary).toBe(whole.headers.vary);
      expect([got.headers["content-type"], got.headers["content-encoding"]]).toEqual([undefined, undefined]);
    }
  });

  it.each(['"x"', 'W/"x"', '""', '"x", "y"', "x"])("is sent to who has another: %s", async (noneMatch) => {
    await using opened = await openAt();
    const got = await opened.get({ "if-none-match": noneMatch });
    expect([got.status, got.headers.etag]).toEqual([200, opened.etag]);
  });

  it("is sent again when the counter has changed", async () => {
    await using opened = await openAt();
    await opened.client.increment({ name: "a" });
    const got = await opened.get({ "if-none-match": opened.etag });
    expect(got.status).toBe(200);
    expect(got.headers.etag).not.toBe(opened.etag);
  });

  it("is sent again when another counter has its name", async () => {
    await using opened = await openAt();
    await opened.client.deleteCounter({ name: "a" });
    await opened.client.createCounter({ name: "a", value: 3n });
    expect((await opened.get({ "if-none-match": opened.etag })).status).toBe(200);
  });

  it.each<[string, (etag: string) => string | string[]]>([
    ["its etag", (etag) => etag],
    ["its etag among others", (etag) => `"x", ${etag}`],
    ["any", () => "*"],
  ])("is sent if it is what If-Match names: %s", async (_, match) => {
    await using opened = await openAt();
    expect((await opened.get({ "if-match": match(opened.etag) })).status).toBe(200);
  });

  it.each<[string, (etag: string) => string]>([
    ["another", () => '"stale.1"'],
    ["another, without quotes", () => "stale.1"],
    ["others", () => '"x", "y"'],
    ["its etag, weak", (etag) => `W/${etag}`],
  ])("is 412 with a reason if not, and says what it is: %s", async (_, match) => {
    await using opened = await openAt();
    const got = await opened.get({ "if-match": match(opened.etag) });
    expect([got.status, reasonIn(got), got.headers.etag]).toEqual([412, "PRECONDITION_FAILED", opened.etag]);
    const head = await asking(opened, path, "HEAD")({ "if-match": match(opened.etag) });
    expect([head.status, head.bytes.length]).toEqual([412, 0]);
  });

  it("judges If-Match first, and what does not hold is not 304", async () => {
    await using opened = await openAt();
    const { etag } = opened;
    expect((await opened.get({ "if-match": '"x"', "if-none-match": etag })).status).toBe(412);
    expect((await opened.get({ "if-match": etag, "if-none-match": etag })).status).toBe(304);
    expect((await opened.get({ "if-match": etag, "if-none-match": '"x"' })).status).toBe(200);
  });

  it("passes over conditions about times, for it has no time that it was modified at", async () => {
    await using opened = await openAt();
    for (const name of ["if-modified-since", "if-unmodified-since"]) {
      for (const time of ["Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 01 Jan 2099 00:00:00 GMT", "x"]) {
        expect((await opened.get({ [name]: time })).status).toBe(200);
      }
    }
    const got = await opened.get({ "if-range": opened.etag, range: "bytes=0-1", "idempotency-key": "k" });
    expect([got.status, got.bytes.length]).toEqual([200, (await opened.get()).bytes.length]);
  });

  it.each(['"x', 'x"', "", ",", '"x" "y"', "*, *", 'w/"x"'])(
    "refuses what is no list of etags: '%s'",
    async (tags) => {
      await using opened = await openAt();
      for (const name of ["if-match", "if-none-match"]) {
        const got = await opened.get({ [name]: tags });
        expect([name, got.status, reasonIn(got)]).toEqual([name, 400, "INVALID_FIELD"]);
      }
    },
  );

  it("says first that there is no such counter", async () => {
    await using opened = await openAt();
    await opened.client.deleteCounter({ name: "a" });
    for (const name of ["if-match", "if-none-match"]) {
      for (const tags of ["*", opened.etag]) expect((await opened.get({ [name]: tags })).status).toBe(404);
    }
  });

  it("takes no time for a list that is long", async () => {
    await using opened = await openAt();
    for (const tags of [`"a",${" ".repeat(15_000)}x"`, ",".repeat(15_000), `${"a.1.s1".repeat(2_500)}`]) {
      const before = performance.now();
      await opened.get({ "if-match": tags });
      expect(performance.now() - before).toBeLessThan(1_000);
    }
  });

  it("and HEAD have the same headers", async () => {
    await using opened = await openAt();
    for (const headers of [{}, { "accept-encoding": "gzip" }]) {
      const [got, head] = [await opened.get(headers), await asking(opened, path, "HEAD")(headers)];
      expect([head.status, head.bytes.length]).toEqual([200, 0]);
      expect({ ...head.headers, date: "" }).toEqual({ ...got.headers, date: "" });
      expect(got.headers["content-length"]).toBe(`${got.bytes.length}`);
    }
  });
});

describe("what names a counter with its settings", () => {
  it.each(SHOW_SETTINGS)("changes with them: %s", async (path) => {
    await using opened = await open();
    await opened.client.createCounter({ name: "a" });
    const get = asking(opened, path);
    const etag = (await get()).headers.etag!;
    await opened.client.updateCounter({ name: "a", description: "other" });
    const got = await get({ "if-none-match": etag });
    expect([got.status, got.headers.etag]).toEqual([200, etag.replace(/\.s1"$/, '.s2"')]);
    expect((await get({ "if-match": etag })).status).toBe(412);
  });

  it("is what a change asks for with If-Match, for the part that it is about", async () => {
    await using opened = await open();
    await opened.client.createCounter({ name: "a" });
    const path = "/v1/counters/a";
    const get = asking(opened, path);
    const change = (method: string, at: string, etag: string, body: object) =>
      send(opened.door.port, { method, path: at, headers: { "if-match": etag }, body });
    const first = (await get()).headers.etag!;
    await opened.client.updateCounter({ name: "a", description: "other" });
    // The value is what it was; the settings are not.
    expect((await change("PATCH", path, first, { max: 9 })).error?.reason).toBe("ETAG_MISMATCH");
    expect((await change("POST", `${path}:set`, first, { value: 5 })).status).toBe(200);
    const second = (await get()).headers.etag!;
    await opened.client.increment({ name: "a" });
    expect((await change("POST", `${path}:set`, second, { value: 5 })).error?.reason).toBe("ETAG_MISMATCH");
    expect((await change("PATCH", path, second, { max: 9 })).status).toBe(200);
  });

  it("is named by the etags of its value and of its settings as well, in an If-Match", async () => {
    await using opened = await open();
    const { counter } = await opened.client.createCounter({ name: "a" });
    for (const path of SHOW_SETTINGS) {
      const get = asking(opened, path);
      for (const tag of [counter!.etag, counter!.settingsEtag]) {
        expect((await get({ "if-match": `"${tag}"` })).status).toBe(200);
        // But who has no more than that has not what would be sent.
        expect((await get({ "if-none-match": `"${tag}"` })).status).toBe(200);
      }
    }
    await opened.client.increment({ name: "a" });
    const get = asking(opened, SHOW_SETTINGS[0]!);
    expect((await get({ "if-match": `"${counter!.etag}"` })).status).toBe(412);
    expect((await get({ "if-match": `"${counter!.settingsEtag}"` })).status).toBe(200);
  });

  it("is known on the short path, which shows no settings, for its value", async () => {
    await using opened = await open();
    await opened.client.createCounter({ name: "a" });
    const whole = asking(opened, "/v1/counters/a");
    const get = asking(opened, "/counters/a");
    const etag = (await whole()).headers.etag!;
    const short = (await get()).headers.etag!;
    expect(etag.replace(/\.s\d+"$/, '"')).toBe(short);
    expect(etag).not.toBe(short);
    for (const tag of [etag, short]) {
      for (const [ask, own] of [
        [whole, etag],
        [get, short],
      ] as const) {
        expect((await ask({ "if-match": tag })).status).toBe(200);
        expect((await ask({ "if-none-match": tag })).status).toBe(tag === own ? 304 : 200);
      }
    }
    await opened.client.updateCounter({ name: "a", description: "other" });
    expect((await get({ "if-match": etag })).status).toBe(200);
    await opened.client.increment({ name: "a" });
    expect((await get({ "if-match": etag })).status).toBe(412);
  });

  it("is weak where the answer is packed, for its bytes are others", async () => {
    await using opened = await open();
    await opened.client.createCounter({
      name: "a",
      description: "d".repeat(1_000),
      labels: { k: "v".repeat(200) },
    });
    for (const path of READS.slice(2)) {
      const get = asking(opened, path);
      const plain = await get();
      const packed = await get({ "accept-encoding": "gzip" });
      expect(gunzipSync(packed.bytes)).toEqual(plain.bytes);
      expect(packed.headers.etag).toBe(`W/${plain.headers.etag}`);
      expect([plain.headers.vary, packed.headers.vary]).toEqual(["Accept-Encoding", "Accept-Encoding"]);
      for (const tag of [plain.headers.etag!, packed.headers.etag!]) {
        const got = await get({ "accept-encoding": "gzip", "if-none-match": tag });
        expect([got.status, got.headers.etag]).toEqual([304, packed.headers.etag]);
      }
    }
  });
});

describe("reads of many", () => {
  it.each([
    "/v1/counters",
    "/v1/counters:top",
    "/v1/counters:sum",
    `/tally.v1.CounterService/ListCounters?encoding=json&message=%7B%7D`,
  ])("have no etag, so that a condition that names one does not hold: %s", async (path) => {
    await using opened = await open();
    await opened.client.increment({ name: "a" });
    const get = asking(opened, path);
    expect((await get()).headers.etag).toBeUndefined();
    expect((await get({ "if-none-match": '"x"' })).status).toBe(200);
    expect((await get({ "if-match": "*" })).status).toBe(200);
    const got = await get({ "if-match": '"x"' });
    expect([got.status, reasonIn(got), got.headers.etag]).toEqual([412, "PRECONDITION_FAILED", undefined]);
  });
});
