import { deepEqual } from "node:assert/strict";
import { v7 } from "uuid";
import { ChangeKind } from "../../../src/core/change.ts";
import type { Outcomes } from "../../../src/core/columns.ts";
import type { Order, Selection } from "../../../src/core/selection.ts";
import type { Settings } from "../../../src/core/settings.ts";
import { toBatch } from "../../../src/service/call.ts";
import { Policies } from "../../../src/service/policies.ts";
import type { Store } from "../../../src/service/store.ts";
import type { Catalogue } from "../../../src/service/store-catalogue.ts";
import type { StoredChange } from "../../../src/service/store-pages.ts";
import type { Asked } from "../../support/calls.ts";
import { type Opened, type OpenOptions, openFresh } from "../../support/opened.ts";
import { Etags, opsOf, prefixed, type Sketch } from "../../support/random-requests.ts";

/** What was done to both and compared. */
export class Tally {
  histories = 0;
  commits = 0;
  operations = 0;
  refused = 0;
  replayed = 0;
  reads = 0;
  changes = 0;
  /** Of the changes: rolls and expiries. */
  byTime = 0;
  /** And those by policies. */
  byPolicies = 0;
  policies = 0;
  reopenings = 0;
}

/**
 * A store and the memory store beside it: whatever is asked of one is asked of the other, and the answers must be the
 * same. Where the store goes by a server's clock, the test moves that one too.
 *
 * Uids are compared too: both stores derive them from the same seeds.
 */
export class Pair {
  readonly #real: Opened;
  readonly #memory: Opened;
  readonly #seed: { uid: string };
  readonly #tally: Tally;
  /** Of the histories that it has seen, this is the one: its names and request ids begin with it. */
  #prefix = "";
  #etags: Etags;
  #cursors = { real: "", memory: "" };
  readonly #policies = new WeakMap<Catalogue, Policies>();
  /** What was asked in this history, commit by commit. */
  #asked: Asked[][] = [];

  private constructor(real: Opened, memory: Opened, seed: { uid: string }, tally: Tally) {
    this.#real = real;
    this.#memory = memory;
    this.#seed = seed;
    this.#tally = tally;
    this.#etags = new Etags(memory);
  }

  /** @param open  the store that is compared; its clock is the test's */
  static async open(
    open: (options: OpenOptions) => Promise<Opened>,
    { tally = new Tally() }: { tally?: Tally } = {},
  ): Promise<Pair> {
    const seed = { uid: v7() };
    const options = { newUid: () => seed.uid, cachedCountersMax: 3, handClock: true };
    const memory = await openFresh(async () => "memory:", options);
    return new Pair(await open(options), memory, seed, tally);
  }

  /** Begin a history: on names that no other had, because a pair that differs is no longer one. */
  async begin(): Promise<void> {
    this.#prefix = `h${this.#tally.histories++}/`;
    this.#etags = new Etags(this.#memory);
    this.#asked = [];
    const [real, memory] = await Promise.all([
      changesFrom(this.#real.store, this.#cursors.real),
      changesFrom(this.#memory.store, this.#cursors.memory),
    ]);
    this.#cursors = { real: real.cursor, memory: memory.cursor };
  }

  async commit(requests: readonly Sketch[]): Promise<void> {
    const asked = await this.#etags.into(requests.map((each) => prefixed(each, this.#prefix)));
    await this.#commit(asked);
    this.#asked.push(asked);
  }

  /** Ask once more what was asked before, as callers do who got no answer. */
  async again(which: number): Promise<void> {
    if (this.#asked.length > 0) await this.#commit(this.#asked[which % this.#asked.length]!);
  }

  async #commit(asked: readonly Asked[]): Promise<void> {
    this.#seed.uid = v7();
    const answers = this.#both(async ({ store }) => this.#answer(await store.commit(toBatch(asked))));
    const [real, memory] = await Promise.all(answers);
    deepEqual(real, memory);
    const tally = this.#tally;
    tally.commits++;
    tally.operations += asked.reduce((sum, each) => sum + opsOf(each).length, 0);
    tally.refused += real!.refusals.size + real!.callRefusals.size;
    tally.replayed += real!.replayed.filter((each) => each === 1).length;
  }

  async get(names: readonly string[]): Promise<void> {
    await this.#compare(async (store) => {
      return store.get(names.map((name) => this.#prefix + name));
    });
  }

  /** Walk all pages: where one ends is for each store to choose. */
  async list(selection: Selection, limit: number): Promise<void> {
    const mine = this.#mine(selection);
    await this.#compare(async (store) => {
      const counters: object[] = [];
      for (let from: string | undefined = ""; from !== undefined; ) {
        const page = await store.list(mine, from, limit);
        counters.push(...page.counters);
        from = page.next;
      }
      return counters;
    });
  }

  async top(selection: Selection, n: number, order: Order): Promise<void> {
    await this.#compare(async (store) => {
      const { counters } = await store.top(this.#mine(selection), n, order);
      return counters;
    });
  }

  async sum(selection: Selection): Promise<void> {
    await this.#compare((store) => store.sum(this.#mine(selection)));
  }

  /** Follow both from where they were followed to. */
  async follow(limit: number): Promise<void> {
    const [real, memory] = await Promise.all([
      changesFrom(this.#real.store, this.#cursors.real, limit),
      changesFrom(this.#memory.store, this.#cursors.memory, limit),
    ]);
    deepEqual(inOrder(real.changes), inOrder(memory.changes));
    this.#cursors = { real: real.cursor, memory: memory.cursor };
    this.#tally.changes += real.changes.length;
    this.#tally.byTime += real.changes.filter(isByTime).length;
    this.#tally.byPolicies += real.changes.filter(isByPolicy).length;
  }

  async maintain(): Promise<void> {
    for (const { store } of [this.#real, this.#memory]) while (await store.maintain());
  }

  /** Set the policy of a prefix, or take it away. */
  async policy(prefix: string, settings: Settings | undefined): Promise<void> {
    await this.#compare(({ catalogue }) => {
      const policies = this.#policies.get(catalogue!) ?? new Policies(catalogue!);
      this.#policies.set(catalogue!, policies);
      const whole = this.#prefix + prefix;
      return settings === undefined ? policies.remove(whole) : policies.set(whole, settings, "enforce");
    });
    this.#tally.policies++;
  }

  /** Let time pass, or have the clock on the wall jump. */
  async advance(ms: number, jumpMs = 0): Promise<void> {
    for (const opened of [this.#real, this.#memory]) {
      await opened.pass(ms);
      if (jumpMs !== 0) await opened.jump(jumpMs);
    }
    if (jumpMs !== 0) await this.maintain(); // Both notice it now, and not whenever each happens to look.
  }

  /** Let all request ids there are be forgotten. In between the stores may choose when. */
  async forget(): Promise<void> {
    for (let n = 0; n < 20; n++) {
      const id = `${this.#prefix}forget${this.#tally.commits}`;
      await this.#commit([{ ...prefixed(ONE, this.#prefix), requestId: id }]);
      await this.advance(4 * 3_600_000);
      await this.maintain();
    }
  }

  /** Close the store and open it again, if it keeps what it had. */
  async reopen(): Promise<void> {
    if (this.#real.store.traits.durability === "none") return;
    await this.advance(3_600_000); // What was doubted of the clock before is not known afterwards.
    await this.#real.reopen();
    this.#tally.reopenings++;
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#both((opened) => opened.dispose()));
  }

  #both<T>(what: (opened: Opened) => Promise<T>): Promise<T>[] {
    return [what(this.#real), what(this.#memory)];
  }

  async #compare(read: (store: Store) => Promise<unknown>): Promise<void> {
    const [real, memory] = await Promise.all(this.#both(({ store }) => read(store)));
    deepEqual(real, memory);
    this.#tally.reads++;
  }

  #mine({ prefix, labels }: Selection): Selection {
    return { prefix: this.#prefix + prefix, labels };
  }

  #answer({ timings: _, counters, ...outcomes }: Outcomes) {
    return { ...outcomes, updated: [...counters] };
  }
}

/**
 * Changes without their positions. What tidying and sweeps wrote down has the order of the counters' rows in one, and another in the
 * other: those are put in one order. Of each counter it stays.
 */
function inOrder(changes: readonly StoredChange[]): object[] {
  const ordered: Omit<StoredChange, "position">[][] = [[]];
  let tidied = false;
  for (const { position: _, ...change } of changes) {
    const byItself = isByTime(change) || isByPolicy(change);
    if (byItself !== tidied) ordered.push([]);
    tidied = byItself;
    ordered.at(-1)!.push(change);
  }
  return ordered.flatMap((some) => {
    const unordered = some.length > 1 && (isByTime(some[0]!) || isByPolicy(some[0]!));
    return unordered ? some.sort((a, b) => (a.uid < b.uid ? -1 : a.uid > b.uid ? 1 : 0)) : some;
  });
}

function isByPolicy({ caller }: Pick<StoredChange, "caller">): boolean {
  return caller.startsWith("policy:");
}

function isByTime({ kind }: Pick<StoredChange, "kind">): boolean {
  return kind === ChangeKind.ROLL || kind === ChangeKind.EXPIRE;
}

const ONE: Sketch = {
  ...{ caller: "", id: undefined, single: true, allOrNothing: false },
  ops: [{ verb: 0, name: "forgetting", amount: 1n, mustExist: false }],
};

async function changesFrom(store: Store, from: string, limit = 1_000) {
  const changes: StoredChange[] = [];
  for (let cursor = from; ; ) {
    const page = await store.changesSince(cursor, limit);
    changes.push(...page.changes);
    if (page.cursor === cursor) return { changes, cursor };
    cursor = page.cursor;
  }
}
