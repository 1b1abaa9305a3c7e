/** Calls that go on are judged again when something has changed. */
import { describe, expect, it } from "vitest";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { TallyError } from "../../src/core/errors.ts";
import { Permission } from "../../src/core/permissions.ts";
import { revokeKey } from "../../src/guard/keys.ts";
import { deletePrincipal, updatePrincipal } from "../../src/guard/principals.ts";
import { CatalogueInMemory } from "../../src/stores/memory/catalogue.ts";
import { bearer, type Guarded, grantsOf, guarded } from "./guarded.ts";

const STREAM = ServerReflection.method.serverReflectionInfo;

/** A stream that was let in, and has asked for all of "shop.". */
async function streaming(it: Guarded, key: string) {
  const { revoked, access } = await it.permit(bearer(key), { method: STREAM });
  expect(access!.denial(Permission.READ, { prefix: "shop." })).toBeUndefined();
  return revoked!;
}

describe("a call that goes on", () => {
  it("is revoked with its key, and not by what is about others", async () => {
    using it = await guarded();
    const { key, keyId } = await it.principal("shop", "read@shop.");
    const revoked = await streaming(it, key);
    const other = await it.principal("other", "all@");
    await revokeKey(it.changes, other.keyId);
    expect(revoked.aborted).toBe(false);
    await revokeKey(it.changes, keyId);
    expect(revoked.reason).toEqual({ code: "CREDENTIAL_REVOKED" });
  });

  it("is revoked when it may not any more what it asked for", async () => {
    using it = await guarded();
    const { key } = await it.principal("shop", "read@shop.");
    const revoked = await streaming(it, key);
    await updatePrincipal(it.changes, "shop", { grants: grantsOf("read@", "set@shop.") });
    expect(revoked.aborted).toBe(false);
    await updatePrincipal(it.changes, "shop", { grants: grantsOf("read@shop.a.", "set@shop.") });
    expect(revoked.reason).toMatchObject({ code: "PERMISSION_DENIED", prefixes: ["shop.a."] });
  });

  it("is revoked with its principal", async () => {
    using it = await guarded();
    const [disabled, deleted] = [await it.principal("a", "all@"), await it.principal("b", "all@")];
    const [one, other] = [await streaming(it, disabled.key), await streaming(it, deleted.key)];
    await updatePrincipal(it.changes, "a", { disabled: true });
    await deletePrincipal(it.changes, "b");
    expect(one.reason).toEqual({ code: "CREDENTIAL_REVOKED" });
    expect(["CREDENTIAL_REVOKED", "CREDENTIAL_INVALID"]).toContain(other.reason.code);
  });

  it("ends when it can no longer be read who may call", async () => {
    const catalogue = new Unreadable();
    using it = await guarded({ lookEveryMs: 5 }, catalogue);
    const { key } = await it.principal("shop", "all@");
    const revoked = await streaming(it, key);
    catalogue.fails = true;
    const ended = new Promise((resolve) => revoked.addEventListener("abort", resolve));
    it.clock.advance(10_001);
    await ended;
    expect(revoked.reason).toEqual({ code: "AUTH_STALE" });
  });

  it("has no part in calls that are answered at once", async () => {
    using it = await guarded();
    const { key } = await it.principal("shop", "all@");
    expect((await it.permit(bearer(key))).revoked).toBeUndefined();
  });
});

class Unreadable extends CatalogueInMemory {
  fails = false;

  constructor() {
    super(
      () => {},
      () => 0,
    );
  }

  override async read(since: number) {
    if (this.fails) throw new TallyError("STORE_UNAVAILABLE", "the test has it fail");
    return super.read(since);
  }
}
