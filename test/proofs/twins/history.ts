import { fc } from "@fast-check/vitest";
import type { Selection } from "../../../src/core/selection.ts";
import { policySettings, type Sketch, sketches } from "../../support/random-requests.ts";
import type { Pair } from "./pair.ts";

/**
 * Goal: a store does what the memory store does, whatever it is asked.
 * Method: random histories of commits, policies, reads, maintenance, restarts and jumps of the clock, as fast-check's commands:
 * what fails is shrunk to the shortest history that does. One pair serves all histories, each on names of its own,
 * because opening a store takes longer than a history.
 */
export function histories(pair: () => Pair, steps: number) {
  const commands = fc.commands(COMMANDS, { maxCommands: steps, size: "max" });
  return fc.asyncProperty(commands, (history) =>
    fc.asyncModelRun(async () => {
      await pair().begin();
      return { model: {}, real: pair() };
    }, history),
  );
}

/** One thing done to both; it needs no state of a model, because the memory store is the model. */
class Step implements fc.AsyncCommand<object, Pair> {
  readonly #text: string;
  readonly #does: (pair: Pair) => Promise<void> | void;

  constructor(text: string, does: (pair: Pair) => Promise<void> | void) {
    this.#text = text;
    this.#does = does;
  }

  check(): boolean {
    return true;
  }

  async run(_: object, pair: Pair): Promise<void> {
    await this.#does(pair);
  }

  toString(): string {
    return this.#text;
  }
}

/** Their order by bytes is not the one that people or databases have. */
const NAMES = ["a", "B", "a.b", "a:B", "a/b", "a-b", "_", "~", "!x", "%61", "{t}1", "'\"\\;"];
const name = fc.constantFrom(...NAMES);
const HOUR = 3_600_000;

const selection: fc.Arbitrary<Selection> = fc.record({
  prefix: fc.constantFrom("", "", "a", "a.", "B", "zzz"),
  labels: fc.constantFrom({}, {}, { team: "a" }, { team: "b" }, { team: "b", tier: "1" }),
});
const limit = fc.integer({ min: 1, max: 15 });

const commit = fc
  .array(sketches(name, true), { minLength: 1, maxLength: 12 })
  .map((requests) => new Step(`commit ${shown(requests)}`, (pair) => pair.commit(requests)));
const again = fc.nat(50).map((which) => new Step(`again ${which}`, (pair) => pair.again(which)));
const get = fc
  .array(name, { minLength: 1, maxLength: 12 })
  .map((names) => new Step(`get ${names}`, (pair) => pair.get(names)));
const list = fc
  .tuple(selection, limit)
  .map(([from, n]) => new Step(`list ${shown([from, n])}`, (pair) => pair.list(from, n)));
const top = fc
  .tuple(selection, limit, fc.constantFrom("highest" as const, "lowest" as const))
  .map(([of, n, order]) => new Step(`top ${shown([of, n, order])}`, (pair) => pair.top(of, n, order)));
const sum = selection.map((of) => new Step(`sum ${shown(of)}`, (pair) => pair.sum(of)));
const follow = limit.map((n) => new Step(`changes by ${n}`, (pair) => pair.follow(n)));
const upkeep = fc.constantFrom(
  new Step("maintain", (pair) => pair.maintain()),
  new Step("an hour", (pair) => pair.advance(HOUR)),
  new Step("the clock goes back", (pair) => pair.advance(1_000, -100 * HOUR)),
  new Step("the clock jumps ahead", (pair) => pair.advance(0, 50 * HOUR)),
);
const policy = fc
  .tuple(fc.constantFrom("", "", "a"), fc.option(policySettings, { nil: undefined, freq: 4 }))
  .map(([of, to]) => new Step(`policy ${shown([of, { ...to }])}`, (pair) => pair.policy(of, to)));
const passing = fc.constantFrom(
  new Step("some seconds", (pair) => pair.advance(5_003)),
  new Step("some minutes", (pair) => pair.advance(161_803)),
);
const rarely = fc.constantFrom(
  new Step("reopen", (pair) => pair.reopen()),
  new Step("a day: ids are forgotten", (pair) => pair.forget()),
);

const COMMANDS = [
  ...[commit, commit, commit, commit, commit, again],
  ...[get, list, top, sum, follow, upkeep, passing, passing, policy, policy],
  fc.oneof({ weight: 15, arbitrary: commit }, { weight: 1, arbitrary: rarely }),
];

function shown(what: readonly Sketch[] | object): string {
  return JSON.stringify(what, (_, value) => (typeof value === "bigint" ? `${value}n` : value));
}
