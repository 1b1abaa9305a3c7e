/** Takes under policies: made by them, settled by them, tried out by them. Stores only hand them in. */
import { describe, expect, it } from "vitest";
import { decideBatch, requestKeys, touchedBy } from "../../src/core/batch.ts";
import { CORRUPT, type FullCounter } from "../../src/core/counter.ts";
import { PolicySet } from "../../src/core/policies.ts";
import type { Enforcement } from "../../src/core/policy.ts";
import { policyKeyOf, policyToBody } from "../../src/core/policy-body.ts";
import { DEFAULTS, type Settings } from "../../src/core/settings.ts";
import { toBatch } from "../../src/service/call.ts";
import { type Asked, answersOf, giveBack, single, take, takes } from "../support/calls.ts";

const NOW = Date.parse("2026-01-01T00:00:30Z");
const WINDOW = { everyMs: 60_000, anchorMs: 0 };

function policies(
  ...given: [prefix: string, settings: Partial<Settings>, enforcement?: Enforcement][]
): PolicySet {
  const entries = given.map(([prefix, settings, enforcement = "enforce"], i) => {
    const body = policyToBody({ settings: { ...DEFAULTS, ...settings }, enforcement });
    return { kind: "policy", key: policyKeyOf(prefix), version: i + 1, body } as const;
  });
  return PolicySet.NONE.with({ entries, corrupt: [] } as never);
}

/** A counter that follows a policy. */
function following(
  settings: Partial<Settings> & { value: bigint },
  prefix: string,
  revision: number,
): FullCounter {
  const { value, ...own } = settings;
  return {
    ...{ ...DEFAULTS, ...own, name: "api:ada", uid: "0199d3a7-5f0e-7c3b-8a43-2f6d1f0f8a51" },
    ...{ value, revision: 2, settingsRevision: 1, createTime: NOW - 9, updateTime: NOW - 9 },
    ...{ policy: { prefix, revision }, timing: undefined },
  };
}

function decided(
  set: PolicySet,
  found: readonly FullCounter[],
  asked: Asked,
  answered = new Map<string, Uint8Array>(),
) {
  const batch = toBatch([asked]);
  const touched = touchedBy(batch);
  const counters = touched.names.map((name) => found.find((each) => each.name === name));
  const fixed = new Map([...counters.entries()].filter(([, each]) => each) as [number, FullCounter][]);
  const loaded = {
    ...touched,
    counters,
    fixed,
    ...requestKeys(batch, touched),
    answered,
    requestIdsFullForMs: undefined,
  };
  const calendar = { windowAt: () => undefined, offsetAt: () => undefined };
  const context = { now: NOW, calendar, policies: set, uidSeed: "0199d3a7-5f0e-7c3b-8a43-000000000000" };
  const { outcomes, save } = decideBatch(batch, loaded, context);
  return { answer: answersOf([asked], outcomes)[0]!, save };
}

describe("a limit that is missing", () => {
  const set = policies(["api:", { max: 5n, window: WINDOW }], ["free:", { description: "no max" }]);

  it("is made by the policy for its name, and told as it would be where it is not made", () => {
    const { answer, save } = decided(set, [], takes([take("api:ada", 2n)]));
    const limit = { max: 5n, remaining: 3n, periodMs: 60_000, moreAfterMs: 30_000, policy: "api:" };
    expect(answer.verdicts).toMatchObject([{ allowed: true, over: false, limit }]);
    expect([...save.fixed.values()]).toMatchObject([{ max: 5n, policy: { prefix: "api:", revision: 1 } }]);
    const refused = decided(set, [], takes([take("api:ada", 6n)]));
    expect(refused.answer.verdicts).toMatchObject([
      { allowed: false, over: true, limit: { remaining: 5n, policy: "api:" } },
    ]);
    expect(refused.save.changed).toEqual([]);
  });

  it("is none where no policy has a maximum; its own settings go before the policy's", () => {
    for (const name of ["free:ada", "other:ada"]) {
      expect(decided(set, [], takes([take(name)])).answer.refused).toEqual({
        code: "LIMIT_NOT_FOUND",
        index: 0,
      });
      const free = takes([take(name, 1n, { mustExist: false })]);
      expect(decided(set, [], free)).toMatchObject({
        ...{
          answer: { verdicts: [{ allowed: true, over: false, limit: undefined }] },
          save: { changed: [] },
        },
      });
    }
    const own = { ...take("api:ada"), settings: { ...DEFAULTS, max: 2n } };
    const { answer, save } = decided(set, [], takes([own]));
    expect(answer.verdicts).toMatchObject([{ limit: { max: 2n, policy: undefined } }]);
    expect([...save.fixed.values()][0]).toMatchObject({ max: 2n, policy: undefined });
  });

  it("is told as the first take of the call makes it, also to later ones that bring other settings or none", () => {
    const made = { ...take("x", 2n), settings: { ...DEFAULTS, max: 3n } };
    const other = { ...take("x", 5n), settings: { ...DEFAULTS, max: 9n } };
    for (const later of [take("x", 2n), other]) {
      const { answer, save } = decided(set, [], takes([made, later]));
      expect(answer.verdicts).toMatchObject([
        { allowed: true, limit: { max: 3n, quota: 3n, remaining: 3n } },
        { allowed: false, over: true, limit: { max: 3n, quota: 3n, remaining: 3n } },
      ]);
      expect(save.changed).toEqual([]);
    }
  });

  it("gives nothing back, and is not made for that", () => {
    const { answer, save } = decided(set, [], single(giveBack("api:ada", 1n)));
    expect(answer.refused).toEqual({ code: "LIMIT_NOT_FOUND" });
    expect(save.changed).toEqual([]);
  });

  it("is not judged where a policy is damaged", () => {
    const entries = [{ kind: "policy", key: policyKeyOf("api:"), version: 1, body: "{" }];
    const damaged = PolicySet.NONE.with({ entries, corrupt: [] } as never);
    expect(damaged.for("api:ada")).toBe(CORRUPT);
    expect(decided(damaged, [], takes([take("api:ada")])).answer.refused).toEqual({
      code: "ROW_CORRUPT",
      part: "policies",
      index: 0,
    });
  });
});

describe("a limit whose policy has changed", () => {
  const counter = following({ value: 4n, max: 9n }, "api:", 1);
  const lowered = (max: bigint) => policies(["old:", {}], ["api:", { max }]);

  it("is lower at once, for who asks and for who takes", () => {
    const dry = decided(lowered(6n), [counter], takes([take("api:ada", 3n)], {}, "dry run"));
    expect(dry.answer.verdicts).toMatchObject([{ allowed: false, limit: { max: 6n, remaining: 2n } }]);
    expect(dry.save.changed).toEqual([]);
    const took = decided(lowered(6n), [counter], takes([take("api:ada", 2n)]));
    expect(took.answer.verdicts).toMatchObject([{ allowed: true, limit: { max: 6n, remaining: 0n } }]);
  });

  it("below what is used: nothing more goes in, and what is given back does not come again", () => {
    const full = decided(lowered(2n), [counter], takes([take("api:ada")]));
    expect(full.answer.verdicts).toMatchObject([{ allowed: false, limit: { max: 4n, remaining: 0n } }]);
    const back = decided(lowered(2n), [counter], single(giveBack("api:ada", 1n)));
    expect(back.answer).toMatchObject({ results: [{ value: 3n, previous: 4n }] });
  });
});

describe("a limit that is only tried out", () => {
  const set = policies(["api:", { max: 3n }, "shadow"], ["hard:", { max: 1n }]);
  const full = following({ value: 3n, max: 3n }, "api:", 1);

  it("allows what it would refuse, says so, and takes nothing; others take as ever", () => {
    const { answer, save } = decided(set, [full], takes([take("api:ada"), take("hard:ada")]));
    expect(answer.refused).toBeUndefined();
    expect(answer.verdicts).toMatchObject([
      { allowed: true, over: true, limit: { remaining: 0n, policy: "api:" } },
      { allowed: true, over: false, limit: { remaining: 0n } },
    ]);
    expect(save.changes.count).toBe(1);
    const missing = decided(set, [], takes([take("api:new", 4n)]));
    expect(missing.answer.verdicts).toMatchObject([{ allowed: true, over: true, limit: { remaining: 3n } }]);
    expect(missing.save.changed).toEqual([]);
  });

  it("does not keep the hard ones beside it from refusing", () => {
    const asked = takes([take("api:ada"), take("hard:ada", 2n), take("api:new")]);
    const { answer, save } = decided(set, [full], asked);
    expect(answer.verdicts).toMatchObject([
      { allowed: true, over: true },
      { allowed: false, over: true },
      { allowed: true, over: false },
    ]);
    expect(save.changed).toEqual([]);
  });

  it("is remembered as over under the request id", () => {
    const asked = takes([take("api:ada"), take("hard:ada")], { id: "id" });
    const first = decided(set, [full], asked);
    expect(first.save.answers.size).toBe(1);
    const again = decided(set, [full], asked, new Map(first.save.answers));
    expect(again.answer).toMatchObject({
      replayed: true,
      results: [{ code: "ABOVE_MAX", shadow: true }, { value: 1n }],
    });
    expect(again.save.changed).toEqual([]);
  });

  it("is remembered also where nothing was taken from any, for it was allowed; what was refused or asked is not", () => {
    const asked = takes([take("api:ada"), take("api:ada", 4n)], { id: "id" });
    const first = decided(set, [full], asked);
    expect(first.answer.verdicts).toMatchObject([
      { allowed: true, over: true },
      { allowed: true, over: true },
    ]);
    expect([first.save.answers.size, first.save.changed]).toEqual([1, []]);
    const room = { ...full, value: 0n };
    const again = decided(set, [room], asked, new Map(first.save.answers));
    expect(again.answer).toMatchObject({ replayed: true, results: [{ shadow: true }, { shadow: true }] });
    expect(again.save.changed).toEqual([]);
    const refused = decided(set, [full], takes([take("api:ada"), take("hard:ada", 2n)], { id: "id" }));
    expect(refused.save.answers.size).toBe(0);
    expect(decided(set, [full], takes([take("api:ada")], { id: "id" }, "dry run")).save.answers.size).toBe(0);
  });

  it("is no longer one once its counter has settings of its own", () => {
    const own = { ...full, policy: undefined };
    expect(decided(set, [own], takes([take("api:ada")])).answer.verdicts).toMatchObject([
      { allowed: false, over: true },
    ]);
    const made = { ...take("api:new", 2n), settings: { ...DEFAULTS, max: 1n } };
    expect(decided(set, [], takes([made])).answer.verdicts).toMatchObject([{ allowed: false, over: true }]);
  });
});

describe("a request id of takes", () => {
  const room = following({ value: 0n, max: 9n }, "api:", 1);
  const kept = (answers: ReadonlyMap<string, Uint8Array>) => new Map(answers);

  it("whose record is of before single takes told their fields is answered as ever", () => {
    const asked = takes([take("api:ada", 2n)], { id: "id" });
    const { save } = decided(policies(), [room], asked);
    const [[key, record]] = [...save.answers] as [[string, Uint8Array]];
    // The text of the digest: its length, and 32 digits; behind them stand the fields.
    const at = record.findIndex((byte, i) => byte > 32 && record[i + 33] === 0x20);
    const older = Uint8Array.from([...record.slice(0, at), 32, ...record.slice(at + 1, at + 33)]);
    const answers = new Map([[key, Uint8Array.from([...older, ...record.slice(at + 1 + record[at]!)])]]);
    expect(decided(policies(), [room], asked, answers).answer).toMatchObject({ replayed: true });
    const other = takes([take("api:ada", 3n)], { id: "id" });
    const reused = (field: string) => ({ refused: { code: "REQUEST_ID_REUSED", field } });
    expect(decided(policies(), [room], other, answers).answer).toMatchObject(reused("takes"));
    expect(decided(policies(), [room], other, kept(save.answers)).answer).toMatchObject(reused("amount"));
  });
});
