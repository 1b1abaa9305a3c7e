import { expect, it } from "vitest";
import {
  type Answer,
  type Asked,
  batch,
  commit,
  create,
  increment,
  remove,
  set,
  single,
  update,
} from "../../support/calls.ts";
import { type Faults, faultsBelow } from "../../support/faults.ts";
import { type Here, openHere, type StoreHere } from "../../support/here.ts";
import type { StoreKind } from "../../support/stores.ts";
import { allChanges, expectSumsEqualValues } from "./changes.ts";

/** Longer than a generation of request ids spans, so that the next id opens another. */
const GENERATION_MS = 4 * 3_600_000;

/** A save of which a step fails leaves nothing behind, in the database or in memory; and the next one is right. */
export function rollbackSuite(kind: StoreKind): void {
  it("each step of a commit fails in turn: nothing of it stays, and asked again it is applied once", async () => {
    await withFaults(kind, async (here, faults) => {
      const steps: string[] = [];
      for (let n = 1; ; n++) {
        const { store } = here;
        while (await store.maintain()); // Keeps the log short, which is read again and again.
        await commit(store, ...prepared(n));
        here.clock.advance(GENERATION_MS);
        const before = await seen(store, n);
        const failure = await faults.during(n, () => commit(store, ...asked(n)));
        if (failure === "whole") break;
        steps.push(failure.step);
        expectCertainlyNotApplied(failure);
        expect(await seen(store, n), failure.step).toEqual(before);
        await commit(store, single(increment(`${n}.after`), { id: `${n}.after` }));
        expectApplied(await commit(store, ...asked(n)), failure.step);
        await expectSumsEqualValues(store as never, [`${n}.a`, `${n}.b`, `${n}.c`, `${n}.new`, `${n}.after`]);
        expect((await commit(store, ...asked(n))).map(({ replayed }) => replayed)).toEqual(
          asked(n).map(() => true),
        );
        if (n % 7 === 0) await here.reopen();
      }
      if (kind.name !== "memory") expect(steps).toContain("COMMIT");
      expect(steps.length).toBeGreaterThan(kind.name === "memory" ? 2 : 12);
      await expectSumsEqualValues((await here.reopen()) as never, ["1.a"]);
    });
  });

  it("each step of maintenance fails in turn: nothing of it stays, and the next is whole", async () => {
    await withFaults(kind, async (here, faults) => {
      const steps: string[] = [];
      for (let n = 1; ; n++) {
        const { store } = here;
        // A generation of request ids to forget, and changes to drop, a tombstone among them.
        await commit(store, single(increment(`${n}.a`), { id: `${n}.old` }));
        here.clock.advance(GENERATION_MS);
        while (await store.maintain());
        await commit(store, single(set(`${n}.gone`, 1n), { id: `${n}.young` }));
        await commit(store, single(remove(`${n}.gone`)));
        const noted = Array.from({ length: 5 }, (_, i) => set(`${n}.a`, BigInt(i), { note: "n".repeat(60) }));
        for (let i = 0; i < 3; i++) await commit(store, batch(noted));
        here.clock.advance(12 * GENERATION_MS);
        const before = await seen(store, n);
        const failure = await faults.during(n, async () => {
          while (await store.maintain());
        });
        if (failure === "whole") break;
        steps.push(failure.step);
        expectCertainlyNotApplied(failure);
        const after = await seen(store, n);
        expect(after.counters, failure.step).toEqual(before.counters);
        await expectSumsEqualValues(store as never, [`${n}.a`]);
        const [young] = await commit(store, single(increment(`${n}.a`), { id: `${n}.again` }));
        expect(young).toMatchObject({ refused: undefined, replayed: false });
        while (await store.maintain());
        await expectSumsEqualValues(store as never, [`${n}.a`]);
        expect((await allChanges(store as never)).length).toBeLessThan(60);
        const [old] = await commit(store, single(increment(`${n}.a`), { id: `${n}.old` }));
        expect(old!.replayed, "an id that is to be forgotten").toBe(false);
        await commit(store, single(remove(`${n}.a`))); // Else the log, which is read again and again, would grow.
        if (n % 7 === 0) await here.reopen();
      }
      expect(steps.length).toBeGreaterThan(kind.name === "memory" ? 0 : 10);
    });
  });

  it("each step of a write to the catalogue fails in turn: nothing of it stays, and the next is right", async () => {
    await withFaults(kind, async (here, faults) => {
      const put = async (key: string, expectedVersion: number, body: string | undefined = "{}") =>
        here.store.catalogue!.write({ kind: "policy", key, body, expectedVersion });
      const steps: string[] = [];
      for (const [key, before] of [
        ["new", []],
        ["changed", ["{}"]],
      ] as const) {
        for (let n = 1; ; n++) {
          const name = `${key}${n}`;
          let version = 0;
          for (const body of before) version = (await put(name, 0, body))!;
          const was = await here.store.catalogue!.read(0);
          const failure = await faults.during(n, () => put(name, version, '{"a":1}'));
          if (failure === "whole") break;
          steps.push(failure.step);
          expectCertainlyNotApplied(failure);
          expect(await here.store.catalogue!.read(0), failure.step).toEqual(was);
          expect(await put(name, version, '{"a":2}'), failure.step).toBe(was.version + 1);
          const { entries } = await here.store.catalogue!.read(was.version);
          expect(entries, failure.step).toMatchObject([{ key: name, body: '{"a":2}' }]);
          if (n % 3 === 0) await here.reopen();
        }
      }
      if (kind.name !== "memory") expect(steps).toContain("COMMIT");
      expect(steps.length).toBeGreaterThan(kind.name === "memory" ? -1 : 8);
    });
  });
}

async function withFaults(
  kind: StoreKind,
  test: (here: Here, faults: Faults) => Promise<void>,
): Promise<void> {
  const here = await openHere(kind.name, { retention: { changeLogBytesMax: 800 } });
  const faults = faultsBelow(kind.name, here.clock);
  try {
    await test(here, faults);
  } finally {
    faults.end();
    await here.dispose();
  }
}

/** What a round begins with: a busy counter, one to be updated, and one to be deleted. */
function prepared(n: number): Asked[] {
  return [
    batch([increment(`${n}.a`), increment(`${n}.b`)], { id: `${n}.p` }),
    single(create(`${n}.c`, { value: 5n, labels: { team: "old" } })),
  ];
}

/** Everything that can be saved: values, settings, labels, a deletion, creations, answers, a new generation of ids. */
function asked(n: number): Asked[] {
  return [
    single(increment(`${n}.a`, 2n), { id: `${n}.1` }),
    single(update(`${n}.c`, { max: 9n, labels: { team: "new" } }), { id: `${n}.2` }),
    single(remove(`${n}.b`, { keepHistory: true }), { id: `${n}.3` }),
    single(increment(`${n}.b`, 7n), { id: `${n}.4` }),
    batch([increment(`${n}.new`), set(`${n}.c`, 8n)], { id: `${n}.5`, allOrNothing: true }),
  ];
}

function expectApplied(answers: readonly Answer[], step: string): void {
  const brief = answers.map(({ refused, replayed, results }) => [refused, replayed, results]);
  expect(brief, step).toMatchObject([
    [undefined, false, [{ value: 3n, previous: 1n, revision: 2 }]],
    [undefined, false, [{ value: 5n, revision: 1 }]],
    [undefined, false, [{ value: 1n, revision: 1 }]],
    [undefined, false, [{ value: 7n, previous: 0n, revision: 1 }]],
    [
      undefined,
      false,
      [
        { value: 1n, revision: 1 },
        { value: 8n, revision: 2 },
      ],
    ],
  ]);
}

/** Of the one step that may have been done, though it was not, nobody can tell: then the store does not say that. */
function expectCertainlyNotApplied({ error, step }: { error: unknown; step: string }): void {
  if (step === "COMMIT")
    expect((error as { code: string }).code, step).toMatch(/^(STORE_UNAVAILABLE|OUTCOME_UNKNOWN)$/);
  else if (step === "now" || step === "monotonic")
    expect(error, step).toMatchObject({ message: /clock fails/ });
  else expect(error, step).toMatchObject({ code: "STORE_UNAVAILABLE" });
}

/** What callers and followers see. */
async function seen(store: StoreHere, n: number) {
  const names = ["a", "b", "c", "new"].map((name) => `${n}.${name}`);
  return { counters: await store.get(names), changes: await allChanges(store as never) };
}
