/** What parity does not have of policies: stores without any, retries, conditions, pages, damage. */
import { describe, expect, it } from "vitest";
import { POLICIES_MAX } from "../../src/core/policies.ts";
import { policyKeyOf } from "../../src/core/policy-body.ts";
import { DEFAULTS } from "../../src/core/settings.ts";
import { Policies } from "../../src/service/policies.ts";
import { type Opened, open, refusal } from "./door.ts";
import { send } from "./http.ts";

/** Every method, about the policy of "a". */
const all = ({ client }: Opened) => [
  () => client.setPolicy({ prefix: "a" }),
  () => client.getPolicy({ prefix: "a" }),
  () => client.listPolicies({ prefix: "a" }),
  () => client.deletePolicy({ prefix: "a" }),
];

describe("policies", () => {
  it("a store that keeps none refuses all that is about them", async () => {
    const without = (store: Opened["store"]) =>
      new Proxy(store, { get: (of, name) => (name === "policies" ? undefined : Reflect.get(of, name)) });
    await using opened = await open({ store: without });
    const refused = { status: "FAILED_PRECONDITION", reason: "POLICIES_NOT_KEPT" };
    for (const ask of all(opened)) expect(await refusal(ask())).toMatchObject(refused);
    expect((await opened.store.catalogue!.read(0)).version).toBe(0);
  });

  it("what is set already is not written again, with a key or without", async () => {
    await using opened = await open();
    const request = { prefix: "a", settings: { max: 5n } };
    const first = await opened.client.setPolicy(request);
    expect(await opened.client.setPolicy(request)).toEqual(first);
    const headers = { "idempotency-key": "k" };
    const body = { prefix: "a", settings: { max: "5" } };
    expect(
      await send(opened.door.port, { method: "PUT", path: "/v1/policies", headers, body }),
    ).toMatchObject({
      status: 200,
      json: { policy: { etag: first.policy!.etag } },
    });
    expect((await opened.store.catalogue!.read(0)).version).toBe(1);
    const other = await opened.client.setPolicy({ ...request, settings: { max: 6n } });
    expect(other.policy!.etag).not.toBe(first.policy!.etag);
  });

  it("is set and deleted only as the caller knows it, by its etag or If-Match", async () => {
    await using opened = await open();
    const { policy } = await opened.client.setPolicy({ prefix: "a", settings: { max: 1n } });
    await opened.client.setPolicy({ prefix: "a", settings: { max: 2n }, etag: policy!.etag });
    for (const etag of [policy!.etag, "p0", "x"]) {
      const mismatch = { status: "ABORTED", reason: "ETAG_MISMATCH", metadata: { etag: "p2" } };
      expect(await refusal(opened.client.setPolicy({ prefix: "a", etag }))).toMatchObject(mismatch);
      expect(await refusal(opened.client.deletePolicy({ prefix: "a", etag }))).toMatchObject(mismatch);
    }
    const sent = (match: string) =>
      send(opened.door.port, {
        method: "DELETE",
        path: "/v1/policies?prefix=a",
        headers: { "if-match": match },
      });
    expect(await sent('"p1"')).toMatchObject({ status: 409 });
    expect(await sent('"p2"')).toMatchObject({ status: 200, json: {} });
    expect((await new Policies(opened.store.catalogue!).read()).size).toBe(0);
  });

  it("one that says no prefix sets nothing: that of all is set by an empty one that is there", async () => {
    await using opened = await open();
    const refused = { status: "INVALID_ARGUMENT", reason: "INVALID_FIELD" };
    expect(await refusal(opened.client.setPolicy({ settings: { max: 1n } }))).toMatchObject(refused);
    const put = (body: object) => send(opened.door.port, { method: "PUT", path: "/v1/policies", body });
    expect(await put({ settings: { max: "1" } })).toMatchObject({ status: 400 });
    expect((await new Policies(opened.store.catalogue!).read()).size).toBe(0);
    expect(await put({ prefix: "", settings: { max: "1" } })).toMatchObject({ status: 200 });
    expect((await new Policies(opened.store.catalogue!).read()).all).toMatchObject([{ prefix: "" }]);
  });

  it("pages go through all of a list, in order, and belong to it", async () => {
    await using opened = await open();
    const prefixes = ["", "a", "a.b", "b", "e", "z~"];
    for (const prefix of prefixes) await opened.client.setPolicy({ prefix });
    const pages: string[][] = [];
    let pageToken = "";
    do {
      const page = await opened.client.listPolicies({ pageSize: 2, pageToken });
      pages.push(page.policies.map(({ prefix }) => prefix));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(pages).toEqual([
      ["", "a"],
      ["a.b", "b"],
      ["e", "z~"],
    ]);
    const { nextPageToken } = await opened.client.listPolicies({ pageSize: 2 });
    const other = await refusal(opened.client.listPolicies({ prefix: "a", pageToken: nextPageToken }));
    expect(other).toMatchObject({ reason: "INVALID_FIELD", metadata: { field: "page_token" } });
  });

  it("there are as many as there may be, and none more; those that are there can be set", async () => {
    await using opened = await open();
    const catalogue = opened.store.catalogue!;
    for (let n = 0; n < POLICIES_MAX; n++)
      await catalogue.write({
        ...{ kind: "policy", key: policyKeyOf(`p${n}`), expectedVersion: 0 },
        body: '{"settings":{},"enforcement":"enforce"}',
      });
    expect(await refusal(opened.client.setPolicy({ prefix: "more" }))).toMatchObject({
      reason: "TOO_MANY_POLICIES",
      metadata: { max: "10000" },
    });
    await opened.client.setPolicy({ prefix: "p7", settings: { max: 7n } });
    await opened.client.deletePolicy({ prefix: "p8" });
    await opened.client.setPolicy({ prefix: "more" });
  });

  it("while one of them cannot be read, none is told and none is set", async () => {
    await using opened = await open();
    await new Policies(opened.store.catalogue!).set("a", DEFAULTS, "enforce");
    await opened.store.catalogue!.write({
      ...{ kind: "policy", key: policyKeyOf("b"), body: "{}", expectedVersion: 0 },
    });
    const message = expect.stringContaining("A policy is damaged");
    const refused = { status: "DATA_LOSS", reason: "ROW_CORRUPT", message };
    for (const ask of all(opened)) expect(await refusal(ask())).toMatchObject(refused);
  });
});
