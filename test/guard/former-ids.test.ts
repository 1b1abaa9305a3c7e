import { describe, expect, it } from "vitest";
import { TallyError } from "../../src/core/errors.ts";
import { FormerIds } from "../../src/guard/former-ids.ts";
import type { GuardMode } from "../../src/guard/guard.ts";
import { CatalogueInMemory } from "../../src/stores/memory/catalogue.ts";
import { HandClock } from "../support/clock.ts";

const KEEP_MS = 86_400_000;

/** Servers that start on one store, one after another. */
function store() {
  const catalogue = new CatalogueInMemory(
    () => {},
    () => 0,
  );
  const clock = new HandClock();
  const failures: unknown[] = [];
  const start = (mode: GuardMode) =>
    FormerIds.open({ mode, catalogue, clock, keepMs: KEEP_MS, onFailure: (error) => failures.push(error) });
  /** Until what was begun has been written. */
  const written = async () => {
    for (let i = 0; i < 5; i++) await Promise.resolve();
  };
  return { catalogue, clock, failures, start, written };
}

describe("request ids from before callers had to say who they are", () => {
  it("may be there as long as a credential is optional, for who has one", async () => {
    const { start, clock } = store();
    const ids = await start("optional");
    clock.advance(10 * KEEP_MS);
    expect([ids.of("p1"), ids.of("")]).toEqual(["", undefined]);
  });

  it("may be there until a server that asks for one has run for as long as they are kept", async () => {
    const { start, clock, written } = store();
    const first = await start("required");
    clock.advance(KEEP_MS - 1);
    expect(first.of("p1")).toBe("");
    const second = await start("required"); // After a stop, for which nobody knows how long it was.
    clock.advance(KEEP_MS - 1);
    expect(second.of("p1")).toBe("");
    clock.advance(1);
    expect(second.of("p1")).toBeUndefined();
    await written();
    expect((await start("required")).of("p1")).toBeUndefined();
  });

  it("are looked for again after a server has let callers in without a credential", async () => {
    const { start, clock, written } = store();
    const first = await start("required");
    clock.advance(KEEP_MS);
    first.of("p1");
    await written();
    await start("optional");
    expect((await start("required")).of("p1")).toBe("");
    clock.advance(KEEP_MS);
    const last = await start("required");
    clock.advance(KEEP_MS);
    expect(last.of("p1")).toBeUndefined();
    await written();
    expect((await start("required")).of("p1")).toBeUndefined();
  });

  it("are looked for again after a server has asked nobody", async () => {
    const { start, catalogue, clock, written } = store();
    const first = await start("required");
    clock.advance(KEEP_MS);
    first.of("p1");
    await written();
    await FormerIds.comeAgain(catalogue);
    expect((await start("required")).of("p1")).toBe("");
  });

  it("are looked for by the next server too, when it could not be written down that there are none", async () => {
    const { start, catalogue, clock, failures, written } = store();
    const ids = await start("required");
    const write = catalogue.write.bind(catalogue);
    catalogue.write = () => Promise.reject(new TallyError("STORE_UNAVAILABLE", "no"));
    clock.advance(KEEP_MS);
    expect(ids.of("p1")).toBeUndefined();
    await written();
    expect(failures).toHaveLength(1);
    catalogue.write = write;
    expect((await start("required")).of("p1")).toBe("");
  });
});
