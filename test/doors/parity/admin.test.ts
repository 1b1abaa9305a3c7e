/**
 * Goal: AdminService is the same at every door: who has shown nothing, or two things, or is not to administrate, is refused
 * and has changed nothing; who is, is answered.
 *
 * Method: every RPC of it at every door, over a guard, by each kind of caller.
 */
import type { JsonObject } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { AdminService } from "../../../gen/tally/v1/admin_service_pb.ts";
import { TallyError } from "../../../src/core/errors.ts";
import { createBinding } from "../../../src/guard/bindings.ts";
import { bearer, guarded, ok } from "../../guard/guarded.ts";
import { open } from "../../transports/door.ts";
import { adminDoorsOf, type Headers } from "./with-headers.ts";

/** A request of each, about `shop`, which is there, and its key. */
const REQUESTS: Readonly<Record<string, (keyId: string) => JsonObject>> = {
  CreatePrincipal: () => ({ name: "other", grants: ["all@"] }),
  GetPrincipal: () => ({ name: "shop" }),
  ListPrincipals: () => ({}),
  UpdatePrincipal: () => ({ name: "shop", principal: { grants: ["all@"] }, updateMask: "grants" }),
  DeletePrincipal: () => ({ name: "shop" }),
  CreateApiKey: () => ({ principal: "shop" }),
  ListApiKeys: () => ({ principal: "shop" }),
  RevokeApiKey: (id) => ({ id }),
  CreateBinding: () => ({ principal: "shop", oidc: "corp:someone" }),
  ListBindings: () => ({ principal: "shop" }),
  DeleteBinding: () => ({ certificate: "spiffe://example.org/shop" }),
  WhoAmI: () => ({}),
  CheckAccess: () => ({ principal: "shop", permission: "PERMISSION_READ", name: "shop.a" }),
  ListDenied: () => ({}),
  GetServerInfo: () => ({}),
};
const METHODS = AdminService.methods
  .filter(({ methodKind }) => methodKind === "unary") // Backup is in backup.test.ts.
  .map(({ name }) => name);

describe("AdminService", () => {
  it.each(METHODS)("%s is refused at every door to who may not, and nothing is changed", async (method) => {
    using it_ = await guarded();
    const shop = await it_.principal("shop", "all@shop.");
    ok(await createBinding(it_.changes, "shop", "certificate:spiffe://example.org/shop"));
    const { authorise, administration } = it_.guard;
    await using opened = await open({ authorise, administration, clock: it_.clock });
    const { version } = it_.guard.current.directory;
    let doors = 0;
    for (const door of adminDoorsOf(method)) {
      const call = async (headers: Headers) =>
        (await door.call(opened, method, REQUESTS[method]!(shop.keyId), headers)).said;
      expect(await call({}), door.name).toBe("CREDENTIAL_MISSING");
      expect(await call(bearer("wrong")), door.name).toBe("CREDENTIAL_INVALID");
      expect(await call(bearer(shop.key)), door.name).toBe(method === "WhoAmI" ? "OK" : "PERMISSION_DENIED");
      doors++;
    }
    expect(doors).toBe(6);
    await it_.guard.current.refresh();
    expect(it_.guard.current.directory.version).toBe(version);
  });

  it.each(METHODS)("%s is answered at every door to who may, alike", async (method) => {
    const answers: JsonObject[] = [];
    for (const door of adminDoorsOf(method)) {
      using it_ = await guarded();
      const [shop, boss] = [
        await it_.principal("shop", "all@shop."),
        await it_.principal("boss", "admin,observe@"),
      ];
      ok(await createBinding(it_.changes, "shop", "certificate:spiffe://example.org/shop"));
      const { authorise, administration } = it_.guard;
      await using opened = await open({ authorise, administration, clock: it_.clock });
      const request = REQUESTS[method]!(shop.keyId);
      const { said, json } = await door.call(opened, method, request, bearer(boss.key));
      expect(said, door.name).toBe("OK");
      answers.push(withoutChance(json));
    }
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  });

  it.each(["ListApiKeys", "RevokeApiKey"])(
    "%s tells at every door when a key was last used",
    async (method) => {
      for (const door of adminDoorsOf(method)) {
        using it_ = await guarded();
        const [shop, boss] = [
          await it_.principal("shop", "all@shop."),
          await it_.principal("boss", "admin@"),
        ];
        const { authorise, administration } = it_.guard;
        await using opened = await open({ authorise, administration, clock: it_.clock });
        const call = async () => {
          const request = REQUESTS[method]!(shop.keyId);
          const { said, json } = await door.call(opened, method, request, bearer(boss.key));
          expect(said, door.name).toBe("OK");
          return ("apiKeys" in json ? (json.apiKeys as JsonObject[])[0]! : json.apiKey) as JsonObject;
        };
        if (method === "ListApiKeys") expect(await call(), door.name).not.toHaveProperty("lastUseTime");
        it_.clock.wallMs += 90 * 60_000;
        await it_.permit(bearer(shop.key));
        expect(await call(), door.name).toMatchObject({
          id: shop.keyId,
          lastUseTime: "2026-01-01T01:00:00Z",
        });
      }
    },
  );

  it("where it cannot be read no key looks unused, and one is revoked all the same", async () => {
    const away = () => Promise.reject(new TallyError("STORE_UNAVAILABLE", "away"));
    using it_ = await guarded({ keyUses: { note: away, read: away } });
    const [shop, boss] = [await it_.principal("shop", "all@shop."), await it_.principal("boss", "admin@")];
    const { authorise, administration } = it_.guard;
    await using opened = await open({ authorise, administration, clock: it_.clock });
    const call = (method: string) =>
      adminDoorsOf(method)[0]!.call(opened, method, REQUESTS[method]!(shop.keyId), bearer(boss.key));
    expect((await call("ListApiKeys")).said).toBe("STORE_UNAVAILABLE");
    const { said, json } = await call("RevokeApiKey");
    expect([said, json.apiKey]).toEqual(["OK", expect.objectContaining({ id: shop.keyId })]);
    expect(await it_.ask(bearer(shop.key))).toBe("CREDENTIAL_REVOKED");
  });

  it.each(METHODS)(
    "%s is not there at any door while auth is off, unless it is of the server itself",
    async (method) => {
      await using opened = await open();
      for (const door of adminDoorsOf(method)) {
        const { said } = await door.call(opened, method, REQUESTS[method]!("0".repeat(12)), {});
        expect(said, door.name).toBe(method === "GetServerInfo" ? "OK" : "AUTH_OFF");
      }
    },
  );
});

/** Ids and keys are random. */
function withoutChance(json: JsonObject): JsonObject {
  const text = JSON.stringify(json)
    .replaceAll(/tally_\w+/g, "KEY")
    .replaceAll(/"(id|keyId)":"\w+"/g, '"$1":"ID"');
  return JSON.parse(text) as JsonObject;
}
