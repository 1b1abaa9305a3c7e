/** A store is looked at by one at a time, and by nobody any more once its server stops. */
import { expect, it } from "vitest";
import { TallyError } from "../../src/core/errors.ts";
import type { Verification, Verifying } from "../../src/service/store-findings.ts";
import { Verifications } from "../../src/service/verifications.ts";

const FOUND: Verification = {
  ...{ store: "s", served: true, counters: 1, sum: 1n, commits: 1, requestIds: 0, historyRows: undefined },
  ...{ findings: [], more: 0 },
};

/** One that a test ends, or that ends when it is stopped. */
function held() {
  const asked: { signal: AbortSignal; end(): void; fail(error: unknown): void }[] = [];
  const verify: Verifying["verify"] = ({ signal, onProgress }) => {
    const { promise, resolve, reject } = Promise.withResolvers<Verification>();
    signal.addEventListener("abort", () => reject(new TallyError("CALL_CANCELLED", "it was stopped")));
    onProgress({ part: "counters", rows: asked.length });
    asked.push({ signal, end: () => resolve(FOUND), fail: reject });
    return promise;
  };
  return { asked, verifications: new Verifications({ verify }) };
}

const forever = () => new AbortController().signal;

it("runs one at a time, the next once that has ended, however it did", async () => {
  const { asked, verifications } = held();
  const told: unknown[] = [];
  const first = verifications.run(forever(), (progress) => void told.push(progress));
  expect(await verifications.run(forever(), () => {})).toBeUndefined();
  expect([asked.length, told]).toEqual([1, [{ part: "counters", rows: 0 }]]);
  asked[0]!.end();
  expect(await first).toBe(FOUND);
  const second = verifications.run(forever(), () => {});
  asked[1]!.fail(new TallyError("STORE_UNAVAILABLE", "a test"));
  await expect(second).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  const leaving = new AbortController();
  const third = verifications.run(leaving.signal, () => {});
  leaving.abort();
  await expect(third).rejects.toMatchObject({ code: "CALL_CANCELLED" });
  const fourth = verifications.run(forever(), () => {});
  asked[3]!.end();
  expect(await fourth).toBe(FOUND);
});

it("a close ends the one that runs, waits for it, and none is begun any more", async () => {
  const { asked, verifications } = held();
  const running = verifications.run(forever(), () => {});
  const refused = expect(running).rejects.toMatchObject({ code: "CALL_CANCELLED" });
  await verifications.close();
  expect(asked[0]!.signal.aborted).toBe(true);
  await refused;
  expect(await verifications.run(forever(), () => {})).toBeUndefined();
  expect(asked).toHaveLength(1);
});
