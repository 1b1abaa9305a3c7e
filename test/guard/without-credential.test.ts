/** What operators are told of calls without a credential, before they require one. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Log } from "../../src/telemetry.ts";
import { bearer, guarded } from "./guarded.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

async function open(mode: "optional" | "required" = "optional") {
  const told: unknown[] = [];
  const log: Log = (event, fields) => void (event === "auth.without_credential" && told.push(fields));
  return { it: await guarded({ mode, log }), told };
}

it("are told of once a minute, by how they came, while there are any", async () => {
  const { it: here, told } = await open();
  using _ = here;
  const { key } = await here.principal("shop", "read@shop.");
  await here.permit();
  await here.permit({}, { overGrpc: true });
  await here.permit({}, { overGrpc: true });
  await here.permit(bearer(key));
  await here.ask(bearer("wrong"));
  vi.advanceTimersByTime(59_999);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(told).toEqual([{ grpc: 2, http: 1 }]);
  vi.advanceTimersByTime(600_000);
  expect(told, "nobody came without one").toHaveLength(1);
  await here.permit();
  vi.advanceTimersByTime(60_000);
  expect(told.slice(1), "those since then").toEqual([{ grpc: 0, http: 1 }]);
  expect(here.guard.callsWithoutCredential).toEqual({ grpc: 2, http: 2 });
});

it("are told of at the end, when the minute is not over", async () => {
  const { it: here, told } = await open();
  await here.permit();
  await here.guard.close();
  expect(told).toEqual([{ grpc: 0, http: 1 }]);
  await here.guard.close();
  vi.advanceTimersByTime(600_000);
  expect(told).toHaveLength(1);
});

it("are not told of once a credential is required", async () => {
  const { it: here, told } = await open("required");
  expect(await here.ask()).toBe("CREDENTIAL_MISSING");
  vi.advanceTimersByTime(600_000);
  await here.guard.close();
  expect(told).toEqual([]);
});
