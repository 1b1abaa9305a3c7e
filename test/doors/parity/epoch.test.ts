/**
 * Goal: what a caller holds from before a restore, an etag or a page token, fits nothing after it, at any door; and what it
 * is given after it does.
 *
 * Method: two stores with the same calls, uids and times, one of another epoch than the other: what the first gave out is
 * what a caller holds whose store was put back, and has counted to the same revisions again.
 */
import type { JsonObject } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { EPOCH_NAME } from "../../../src/core/epoch.ts";
import type { Store } from "../../../src/service/store.ts";
import { type Opened, open } from "../../transports/door.ts";
import { send } from "../../transports/http.ts";
import { everyDoorOf, type HeaderDoor } from "./with-headers.ts";

const EPOCH = "0ab100ff";
const [MISMATCH, NO_TOKEN] = ["ETAG_MISMATCH", "INVALID_FIELD page_token"];

/** Doors over a store of an epoch, in which the counter's uid is always the same. */
async function doors(epoch?: string): Promise<Opened> {
  let uids = 0;
  const opened = await open({
    newUid: () => `0199d3a7-5f0e-7c3b-8a43-${`${++uids}`.padStart(12, "0")}`,
    store: (real: Store) => {
      // In memory it is written before this returns.
      if (epoch !== undefined)
        void real.catalogue!.write({ ...EPOCH_NAME, body: JSON.stringify({ epoch }), expectedVersion: 0 });
      return real;
    },
  });
  for (const name of ["c", "c2"]) {
    await ask(opened, "Increment", { name, amount: "5" });
    await ask(opened, "Increment", { name });
    await ask(opened, "Set", { name, value: "3", note: "why" });
    await ask(opened, "Set", { name, value: "4", note: "why" });
  }
  for (const prefix of ["c", "c2"]) await ask(opened, "SetPolicy", { prefix, settings: { max: "99" } });
  return opened;
}

async function ask(opened: Opened, method: string, request: JsonObject): Promise<JsonObject> {
  const [door] = everyDoorOf(method);
  const { said, json } = await door!.call(opened, method, request, {});
  expect(said, method).toBe("OK");
  return json;
}

async function held(opened: Opened) {
  const { counter } = (await ask(opened, "GetCounter", { name: "c" })) as {
    counter: { etag: string; settingsEtag: string };
  };
  const { policy } = (await ask(opened, "GetPolicy", { prefix: "c" })) as { policy: { etag: string } };
  const token = async (method: string, request: JsonObject) =>
    (await ask(opened, method, { ...request, pageSize: 1 })).nextPageToken as string;
  return {
    ...{ etag: counter.etag, settingsEtag: counter.settingsEtag, policyEtag: policy.etag },
    listToken: await token("ListCounters", {}),
    changesToken: await token("ListChanges", { name: "c" }),
    policiesToken: await token("ListPolicies", {}),
  };
}

type Held = Awaited<ReturnType<typeof held>>;

const CALLS: readonly [method: string, request: (of: Held) => JsonObject, refused: string][] = [
  ["Set", ({ etag }) => ({ name: "c", value: "9", etag }), MISMATCH],
  ["Reset", ({ etag }) => ({ name: "c", etag }), MISMATCH],
  ["UpdateCounter", ({ settingsEtag }) => ({ name: "c", max: "50", settingsEtag }), MISMATCH],
  ["DeleteCounter", ({ etag }) => ({ name: "c", etag }), MISMATCH],
  ["SetPolicy", ({ policyEtag: etag }) => ({ prefix: "c", settings: { max: "98" }, etag }), MISMATCH],
  ["DeletePolicy", ({ policyEtag: etag }) => ({ prefix: "c", etag }), MISMATCH],
  ["ListCounters", ({ listToken: pageToken }) => ({ pageSize: 1, pageToken }), NO_TOKEN],
  ["ListChanges", ({ changesToken: pageToken }) => ({ name: "c", pageSize: 1, pageToken }), NO_TOKEN],
  ["ListPolicies", ({ policiesToken: pageToken }) => ({ pageSize: 1, pageToken }), NO_TOKEN],
];

/** Those whose request has all that these calls ask for: a GET by hand, and a path, say no etag. */
function doorsFor(method: string): readonly HeaderDoor[] {
  return everyDoorOf(method).filter(({ name }) => {
    const inPath = method === "DeleteCounter" || method === "DeletePolicy" || method === "SetPolicy";
    return !name.endsWith("GET") && !name.startsWith("the short") && !(inPath && name === "REST");
  });
}

describe.each(CALLS)("%s", (method, request, refused) => {
  const names = doorsFor(method).map(({ name }) => name);
  it.each(names)(
    "over %s: what was held before a restore is refused, what is given after it is taken",
    async (name) => {
      await using before = await doors();
      await using after = await doors(EPOCH);
      const door = doorsFor(method).find((each) => each.name === name)!;
      const [stale, fresh] = [await held(before), await held(after)];
      for (const [field, text] of Object.entries(fresh))
        expect(stale[field as keyof Held], field).not.toBe(text);
      expect((await door.call(after, method, request(stale), {})).said).toBe(refused);
      expect((await door.call(after, method, request(fresh), {})).said).toBe("OK");
      expect((await door.call(before, method, request(stale), {})).said).toBe("OK");
    },
  );
});

describe("conditions of HTTP", () => {
  it.each([
    ["PUT", "/counters/c", { value: "9" }],
    ["POST", "/v1/counters/c:set", { value: "9" }],
    ["PATCH", "/v1/counters/c", { max: "50" }],
    ["DELETE", "/v1/counters/c", undefined],
  ] as const)("If-Match of %s %s", async (method, path, body) => {
    await using before = await doors();
    await using after = await doors(EPOCH);
    const tagOf = async ({ door }: Opened) =>
      `${(await send(door.port, { method: "GET", path: "/v1/counters/c" })).headers.etag}`;
    const [stale, fresh] = [await tagOf(before), await tagOf(after)];
    expect(fresh).toBe(`${stale.slice(0, -1)}.${EPOCH}"`);
    const change = (tag: string) =>
      send(after.door.port, {
        ...{ method, path, headers: { "if-match": tag } },
        ...(body !== undefined && { body }),
      });
    const refused = await change(stale);
    expect([refused.status, refused.error?.reason]).toEqual([409, MISMATCH]);
    expect((await change(fresh)).status).toBe(200);
  });

  it("a GET with If-None-Match of before is answered whole, with that of now it is not", async () => {
    await using before = await doors();
    await using after = await doors(EPOCH);
    for (const path of ["/v1/counters/c", "/counters/c"]) {
      const get = ({ door }: Opened, headers = {}) => send(door.port, { method: "GET", path, headers });
      const [stale, fresh] = [(await get(before)).headers.etag, (await get(after)).headers.etag];
      const status = async (headers: object) => (await get(after, headers)).status;
      expect(await status({ "if-none-match": stale })).toBe(200);
      expect(await status({ "if-none-match": fresh })).toBe(304);
      expect(await status({ "if-match": stale })).toBe(412);
      expect(await status({ "if-match": fresh })).toBe(200);
    }
  });
});
