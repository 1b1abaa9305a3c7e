/** A server that asks nobody who they are, on a store that somebody else gives principals meanwhile. */
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { TallyError } from "../../src/core/errors.ts";
import { openAsksNobody } from "../../src/guard/asks-nobody.ts";
import { makeFirstAdmin } from "../../src/guard/first-admin.ts";
import { deletePrincipal } from "../../src/guard/principals.ts";
import { CatalogueInMemory } from "../../src/stores/memory/catalogue.ts";
import { HandClock } from "../support/clock.ts";
import { guarded } from "./guarded.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
afterEach(() => void vi.useRealTimers());

class Shared extends CatalogueInMemory {
  isAway = false;

  constructor() {
    super(
      () => {},
      () => 0,
    );
  }

  override async read(since: number) {
    if (this.isAway) throw new TallyError("STORE_UNAVAILABLE", "away");
    return super.read(since);
  }
}

async function open() {
  const catalogue = new Shared();
  const logged: string[] = [];
  const log = (event: string) => void logged.push(event);
  const opened = await openAsksNobody(catalogue, { clock: new HandClock(), log });
  const init = () => makeFirstAdmin(catalogue, false, { clock: new HandClock(), randomBytes });
  return { catalogue, logged, init, opened: opened!, [Symbol.dispose]: () => opened?.close() };
}

it("says so within two seconds, and then once a minute, until it ends", async () => {
  using it = await open();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(it.logged).toEqual([]);
  await it.init();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(it.logged).toEqual(["auth.ignored"]);
  await vi.advanceTimersByTimeAsync(59_000);
  expect(it.logged).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(it.logged).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(120_000);
  expect(it.logged).toHaveLength(4);
  it.opened.close();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(it.logged).toHaveLength(4);
});

it("says nothing of what is no principal, and nothing any more once there is none", async () => {
  using it = await open();
  await it.catalogue.write({ kind: "setting", key: "some", body: "{}", expectedVersion: 0 });
  await vi.advanceTimersByTimeAsync(2_000);
  expect(it.logged).toEqual([]);
  await it.init();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(it.logged).toEqual(["auth.ignored"]);
  using other = await guarded({}, it.catalogue);
  await deletePrincipal(other.changes, "admin");
  await vi.advanceTimersByTimeAsync(600_000);
  expect(it.logged).toEqual(["auth.ignored"]);
});

it("says of a principal that it cannot read that there is one", async () => {
  using it = await open();
  await it.catalogue.write({ kind: "principal", key: "shop", body: '{"newer":1}', expectedVersion: 0 });
  await vi.advanceTimersByTimeAsync(2_000);
  expect(it.logged).toEqual(["auth.ignored"]);
});

it("says that it cannot look, once, and goes on looking", async () => {
  using it = await open();
  it.catalogue.isAway = true;
  await vi.advanceTimersByTimeAsync(600_000);
  expect(it.logged).toEqual(["auth.off_unread"]);
  it.catalogue.isAway = false;
  await it.init();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(it.logged.slice(1).sort()).toEqual(["auth.ignored", "auth.off_read_again"]);
});

it("leaves it to who opens it to say that it cannot look, and is silent once it is closed", async () => {
  using it = await open();
  it.catalogue.isAway = true;
  const log = (event: string) => void it.logged.push(event);
  await expect(openAsksNobody(it.catalogue, { clock: new HandClock(), log })).rejects.toThrow("away");
  vi.advanceTimersByTime(2_000); // A look is on its way.
  it.opened.close();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(it.logged).toEqual([]);
});

it("is not opened on a store that has principals already", async () => {
  using it = await open();
  await it.init();
  const given = { clock: new HandClock(), log: () => {} };
  expect(await openAsksNobody(it.catalogue, given)).toBeUndefined();
});
