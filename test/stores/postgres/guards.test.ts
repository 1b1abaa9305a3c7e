/** Two servers on one database: who may call is the same at both, and soon. */
import { randomBytes } from "node:crypto";
import { expect, it, onTestFinished } from "vitest";
import { type Guard, openGuard } from "../../../src/guard/guard.ts";
import { SYSTEM_CLOCK } from "../../../src/system-clock.ts";
import { bearer, grantsOf, headOf, ok } from "../../guard/guarded.ts";
import { describeWith } from "../../support/needs.ts";
import { POSTGRES } from "../../support/postgres/programs.ts";
import { type OwnSchema, ownSchema } from "./schema.ts";

/** As a server opens one: it looks every two seconds. */
async function guardOn(schema: OwnSchema): Promise<Guard> {
  const { catalogue } = await schema.open();
  const guard = await openGuard({
    ...{ mode: "required", catalogue: catalogue!, clock: SYSTEM_CLOCK, log: () => {}, randomBytes },
  });
  onTestFinished(() => guard.close());
  return guard;
}

async function ask(guard: Guard, key: string): Promise<string> {
  const said = await guard.authorise(headOf(bearer(key)));
  return "code" in said ? said.code : (said.callerName ?? "");
}

describeWith([POSTGRES], "two guards of one database", () => {
  it("what changes at one is in effect at the other within five seconds", async () => {
    const schema = await ownSchema();
    const [here, there] = [await guardOn(schema), await guardOn(schema)];
    const within = { timeout: 5_000, interval: 50 };
    const fields = { description: "", grants: grantsOf("read@shop."), rate: undefined };
    ok(await here.administration.createPrincipal("shop", fields));
    const made = ok(await here.administration.createKey("shop", { description: "", ttlMs: undefined }));
    await expect.poll(() => ask(there, made.text), within).toBe("shop");
    ok(await there.administration.updatePrincipal("shop", { disabled: true }));
    expect(await ask(there, made.text), "at once where it was told").toBe("CREDENTIAL_REVOKED");
    await expect.poll(() => ask(here, made.text), within).toBe("CREDENTIAL_REVOKED");
    ok(await here.administration.updatePrincipal("shop", { disabled: false }));
    await expect.poll(() => ask(there, made.text), within).toBe("shop");
    ok(await here.administration.revokeKey(made.key.id));
    await expect.poll(() => ask(there, made.text), within).toBe("CREDENTIAL_REVOKED");
  });

  it("another catalogue in the place of the one before is read anew by each who reads it", async () => {
    const schema = await ownSchema();
    const { catalogue } = await schema.open();
    const one = await openGuard({
      ...{ mode: "required", catalogue: catalogue!, clock: SYSTEM_CLOCK, log: () => {}, randomBytes },
      lookEveryMs: 3_600_000,
    });
    onTestFinished(() => one.close());
    ok(
      await one.administration.createPrincipal("shop", {
        description: "",
        grants: grantsOf("all@"),
        rate: undefined,
      }),
    );
    const { text } = ok(await one.administration.createKey("shop", { description: "", ttlMs: undefined }));
    const { version } = one.current.directory;
    await catalogue!.read(version);
    await schema.sql("TRUNCATE @catalogue"); // As a copy does.
    await schema.sql("UPDATE @catalogue_state SET version = 0, entries = 0, versions = 0, round = round + 1");
    for (let i = 0; i < version; i++)
      await catalogue!.write({ kind: "setting", key: `${i}`, body: "{}", expectedVersion: 0 });
    await catalogue!.read(version); // Another reader hears of it first.
    await one.current.refresh();
    expect(await ask(one, text)).toBe("CREDENTIAL_INVALID");
  });
});
