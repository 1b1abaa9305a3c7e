/** What stays of policies that were taken away, beyond what stores do with it. */
import { expect, it } from "vitest";
import { policyKeyOf, policyToBody, tombstoneToBody } from "../../src/core/policy-body.ts";
import { DEFAULTS } from "../../src/core/settings.ts";
import { Policies } from "../../src/service/policies.ts";
import { CatalogueInMemory } from "../../src/stores/memory/catalogue.ts";

it("10,000 tombstones are kept, beside as many policies: the oldest goes with the next", async () => {
  const catalogue = new CatalogueInMemory(
    () => {},
    () => 5,
  );
  catalogue.import(
    Array.from({ length: 10_000 }, (_, i) => ({
      ...{ kind: "policy", key: policyKeyOf(`t${i}`), version: i + 1 },
      body: tombstoneToBody(1, []),
    })),
  );
  const policies = new Policies(catalogue);
  expect((await policies.read()).size).toBe(0);
  const set = await policies.set("p", { ...DEFAULTS, max: 5n }, "enforce");
  expect(set).toMatchObject({ prefix: "p", setTime: 5 });
  expect(await policies.remove("p")).toBeUndefined();
  const left = await policies.read();
  expect(left.versions("t0")).toEqual([]);
  expect(left.versions("t1")).toHaveLength(1);
  expect(left.versions("p")).toMatchObject([{ settings: { max: 5n } }, { settings: undefined }]);
  expect(await policies.remove("p")).toEqual({ code: "POLICY_NOT_FOUND" });
});

it("of a policy the eight settings before its latest are kept, without their labels", async () => {
  const policies = new Policies(
    new CatalogueInMemory(
      () => {},
      () => 5,
    ),
  );
  for (let max = 1n; max <= 20n; max++)
    await policies.set("p", { ...DEFAULTS, max, labels: { a: "b" } }, "shadow");
  const versions = (await policies.read()).versions("p");
  expect(versions.map(({ settings }) => settings!.max)).toEqual([
    12n,
    13n,
    14n,
    15n,
    16n,
    17n,
    18n,
    19n,
    20n,
  ]);
  expect(versions.map(({ settings }) => settings!.labels)).toEqual([...Array(8).fill({}), { a: "b" }]);
  expect(versions.map(({ revision }) => revision)).toEqual([12, 13, 14, 15, 16, 17, 18, 19, 20]);
});

it("there are never more than 10,000, however many are set at once", async () => {
  const catalogue = new CatalogueInMemory(
    () => {},
    () => 5,
  );
  const body = policyToBody({ settings: DEFAULTS, enforcement: "enforce" });
  catalogue.import(
    Array.from({ length: 9_990 }, (_, i) => ({
      ...{ kind: "policy", key: policyKeyOf(`p${i}`), version: i + 1, body },
    })),
  );
  const policies = new Policies(catalogue);
  const answers = await Promise.all(
    Array.from({ length: 64 }, (_, i) => policies.set(`q${i}`, DEFAULTS, "enforce")),
  );
  expect(answers.filter((answer) => "code" in answer)).toHaveLength(54);
  expect((await policies.read()).size).toBe(10_000);
});

it("the same again is answered as the first time, whatever revision it is for", async () => {
  const policies = new Policies(
    new CatalogueInMemory(
      () => {},
      () => 5,
    ),
  );
  const ask = (max: bigint, revision: number) => policies.set("p", { ...DEFAULTS, max }, "enforce", revision);
  const first = await ask(5n, 0);
  expect(await ask(5n, 0)).toEqual(first);
  expect(await ask(6n, 0)).toMatchObject({ code: "ETAG_MISMATCH" });
});
