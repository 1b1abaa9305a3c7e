/** A history that keeps nothing: it folds the change log anew for each question. Slow, and hard to get wrong. */
import { ChangeKind } from "../../src/core/change.ts";
import type { Clock } from "../../src/core/clock.ts";
import type { Store } from "../../src/service/store.ts";
import type {
  History,
  HistoryAnswer,
  HistoryCounter,
  HistoryQuery,
} from "../../src/service/store-history.ts";
import type { StoredChange } from "../../src/service/store-pages.ts";

/** What a store's history says of all that is in its change log. */
export function historyByHand(store: Store, clock: Clock): History {
  return {
    intake: { begin: nothing, take: nothing, save: nothing },
    async query(query) {
      const changes = await changesOf(store, query.of);
      return pointsOf(changes, query, clock.now());
    },
    async asOf(name, time) {
      const at = Math.floor(time / 60_000) * 60_000;
      const before = (await changesOf(store, { name })).filter((change) => change.time < at);
      const last = before.at(-1);
      if (last === undefined || endsCounter(last)) return undefined;
      return { value: last.value, uid: last.uid, at, gap: false, completeUntil: clock.now() };
    },
    async changes(name, before, limit) {
      const all = (await changesOf(store, { name })).filter(({ kind }) => kind !== ChangeKind.ADD).reverse();
      const from = before === undefined ? 0 : all.length - Number(before);
      const page = all
        .slice(from, from + limit)
        .map((change, i) => ({ ...change, position: `${all.length - from - i - 1}` }));
      const next = from + limit < all.length ? page.at(-1)!.position : undefined;
      return { changes: page, next, completeUntil: clock.now() };
    },
  };
}

const nothing = async (): Promise<never> => {
  throw new TypeError("expected nobody to take in: it keeps nothing");
};

const endsCounter = ({ kind }: StoredChange) => kind === ChangeKind.DELETE || kind === ChangeKind.EXPIRE;

/** The changes of a name or of a prefix, as they were committed. */
async function changesOf(store: Store, of: HistoryQuery["of"]): Promise<StoredChange[]> {
  const changes: StoredChange[] = [];
  for (let cursor = ""; ; ) {
    const page = await store.changesSince(cursor, 1_000);
    changes.push(...page.changes);
    if (page.cursor === cursor) break;
    cursor = page.cursor;
  }
  return changes.filter(({ name }) => ("name" in of ? name === of.name : name.startsWith(of.prefix)));
}

function pointsOf(changes: readonly StoredChange[], { of, edges }: HistoryQuery, now: number): HistoryAnswer {
  const points = Array.from({ length: edges.length - 1 }, () => ({
    added: 0n,
    removed: 0n,
    rolled: 0n,
    changes: 0,
    moves: 0,
    low: undefined as bigint | undefined,
    high: undefined as bigint | undefined,
  }));
  const counters = new Map<string, HistoryCounter>();
  let open = 0n;
  for (const change of changes) {
    const { uid, kind, time, value, added, removed, low, high, ops } = change;
    if (kind === ChangeKind.OPENING) throw new TypeError("expected a log of which nothing was dropped");
    const counter = counters.get(uid) ?? { uid, from: time, to: undefined };
    counters.set(uid, endsCounter(change) ? { ...counter, to: time } : counter);
    const by = endsCounter(change) ? -value : added - removed;
    const i = edges.findIndex((edge, each) => time >= edge && time < (edges[each + 1] ?? edge));
    if (time < edges[0]!) open += by;
    const point = points[i];
    if (point === undefined) continue;
    point.moves++;
    point.changes += ops;
    if (kind === ChangeKind.ROLL || endsCounter(change)) point.rolled += by;
    else {
      point.added += added;
      point.removed += removed;
    }
    if (endsCounter(change)) continue;
    if (point.low === undefined || low < point.low) point.low = low;
    if (point.high === undefined || high > point.high) point.high = high;
  }
  const opens: bigint[] = [];
  const closes: bigint[] = [];
  for (const { added, removed, rolled } of points) {
    opens.push(open);
    open += added - removed + rolled;
    closes.push(open);
  }
  const ofName = "name" in of;
  return {
    points: {
      opens,
      closes,
      lows: ofName ? points.map(({ low }, i) => low ?? closes[i]!) : undefined,
      highs: ofName ? points.map(({ high }, i) => high ?? closes[i]!) : undefined,
      added: points.map(({ added }) => added),
      removed: points.map(({ removed }) => removed),
      rolled: points.map(({ rolled }) => rolled),
      changes: Float64Array.from(points, (point) => point.changes),
      buckets: Float64Array.from(points, ({ moves }) => moves),
      gaps: new Uint8Array(points.length),
    },
    counters: ofName ? [...counters.values()] : [],
    completeUntil: now,
    oldest: Number.NEGATIVE_INFINITY,
  };
}
