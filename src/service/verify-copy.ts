import { hash } from "node:crypto";
import type { CatalogueEntry } from "../core/catalogue.ts";
import { type Change, ChangeKind, endsCounter } from "../core/change.ts";
import type { FullCounter, Timing } from "../core/counter.ts";
import { isSame, SETTING_KEYS, type SettingKey } from "../core/settings.ts";
import { differing, fieldsOf } from "./differing.ts";
import type { Store } from "./store.ts";
import type { Copying, RequestIdPage, StoredRequestId } from "./store-copying.ts";
import type { ChangePage, StoredChange } from "./store-pages.ts";
import { CHANGE_FIELDS, sameRow, type VerifiedHistory, verifyHistory } from "./verify-history.ts";

/** What was compared, and found to be the same. */
export interface Verified {
  readonly counters: number;
  /** The sum of their values. */
  readonly sum: bigint;
  /** Of the change log, openings included. */
  readonly changes: number;
  readonly requestIds: number;
  /** Undefined where the source has none, or the copy cannot keep any. */
  readonly history?: VerifiedHistory;
}

/** The first difference that was found: "the counter a". */
interface Different {
  readonly difference: string;
}

/**
 * Compare a copy with what it is a copy of: every entry of the catalogue, every counter, every change in its order, every request id and answer.
 * And that the changes of the copy lead to its values, as they do in the source. Last, every row of history, which is not
 * taken in meanwhile.
 *
 * @param from        can be copied, as the other one can
 * @param onCompared  told how much has been compared, now and then
 */
export async function verifyCopy(
  from: Store,
  to: Store,
  onCompared: (compared: Omit<Verified, "sum" | "history"> & { readonly history: number }) => void = () => {},
): Promise<Verified | Different> {
  const compared = { counters: 0, changes: 0, requestIds: 0, history: 0 };
  const told = <Item>(kind: keyof typeof compared, same: (a: Item, b: Item) => boolean) => {
    return (a: Item, b: Item) => {
      if (++compared[kind] % TELL_EVERY === 0) onCompared(compared);
      return same(a, b);
    };
  };

  const entry = await differing(cataloguePages(from), cataloguePages(to), sameEntry);
  if (entry !== undefined) return { difference: `the ${entry.kind} ${entry.key}` };

  let sum = 0n;
  const values = new Weighed();
  const counter = await differing(
    counterPages(from),
    counterPages(to),
    told("counters", (a: FullCounter, b: FullCounter) => {
      sum += b.value;
      values.add(b.uid, b.value, b.revision);
      return sameCounter(a, b);
    }),
  );
  if (counter !== undefined) return { difference: `the counter ${counter.name}` };

  const [openings, openingsOfCopy] = [new Openings(), new Openings()];
  const moved = new Weighed();
  const deleted = new Set<string>();
  const change = await differing(
    changePages(from, (change) => openings.look(change)),
    changePages(to, (change) => {
      openingsOfCopy.look(change);
      moved.add(change.uid, ...movedBy(change));
      if (endsCounter(change.kind)) deleted.add(change.uid);
    }),
    told("changes", sameChange),
  );
  if (change !== undefined) return { difference: `a change of ${change.name}` };
  if (!openings.equal(openingsOfCopy)) return { difference: "what is left of dropped changes" };
  compared.changes += openings.count;

  // What became of counters that are gone led to no value that is there.
  const gone = changePages(to, (change) => {
    if (deleted.has(change.uid)) moved.subtract(change.uid, ...movedBy(change));
  });
  if (deleted.size > 0) for await (const _ of gone);
  if (!moved.equal(values)) return { difference: "that its changes do not sum up to its values" };

  const requestId = await differing(
    requestIdPages(from.copying!),
    requestIdPages(to.copying!),
    told("requestIds", sameRequestId),
  );
  if (requestId !== undefined) return { difference: "a request id, or the answer kept under it" };

  const history = await verifyHistory(from.copying!, to.copying!, told("history", sameRow));
  if (history !== undefined && "difference" in history) return history;
  const { counters, changes, requestIds } = compared;
  return { counters, sum, changes, requestIds, ...(history && { history }) };
}

const TELL_EVERY = 10_000;

async function* cataloguePages({ catalogue }: Store): AsyncGenerator<readonly CatalogueEntry[]> {
  if (catalogue === undefined) return;
  const { entries, corrupt } = await catalogue.read(0);
  yield corrupt.length === 0 ? entries : [];
}

async function* counterPages(store: Store): AsyncGenerator<readonly FullCounter[]> {
  for (let from: string | undefined = ""; from !== undefined; ) {
    const { counters, corruptNames, next } = await store.list({ prefix: "", labels: {} }, from, 1_000);
    yield corruptNames.length === 0 ? counters : [];
    from = next;
  }
}

/** The changes without the openings, whose order is each store's own. @param look  told of every one, openings too */
async function* changePages(
  store: Store,
  look: (change: StoredChange) => void,
): AsyncGenerator<readonly StoredChange[]> {
  for (let cursor: string | undefined = ""; cursor !== undefined; ) {
    const page: ChangePage = await store.changesSince(cursor, 4_000);
    for (const change of page.changes) look(change);
    yield page.changes.filter(({ kind }) => kind !== ChangeKind.OPENING);
    cursor = page.cursor === cursor ? undefined : page.cursor;
  }
}

async function* requestIdPages(copying: Copying): AsyncGenerator<readonly StoredRequestId[]> {
  for (let cursor: string | undefined = ""; cursor !== undefined; ) {
    const page: RequestIdPage = await copying.exportRequestIds(cursor, 4_000);
    yield page.requestIds;
    cursor = page.cursor === cursor ? undefined : page.cursor;
  }
}

/**
 * Sums over counters of values and of revisions, each counter's weighed with a number of its own, so that what one has
 * too much does not make up for what another lacks.
 */
class Weighed {
  #values = 0n;
  #revisions = 0n;

  add(uid: string, value: bigint, revisions: number): void {
    const weight = BigInt(`0x${uid.slice(-12)}`);
    this.#values += weight * value;
    this.#revisions += weight * BigInt(revisions);
  }

  subtract(uid: string, value: bigint, revisions: number): void {
    this.add(uid, -value, -revisions);
  }

  equal(other: Weighed): boolean {
    return this.#values === other.#values && this.#revisions === other.#revisions;
  }
}

/** By how much a change moved its counter's value and revision; an opening stands for all before it. */
function movedBy({ kind, value, revision, added, removed, ops }: Change): [value: bigint, revisions: number] {
  return kind === ChangeKind.OPENING ? [value, revision] : [added - removed, ops];
}

/** Openings, in any order: how many, and the sum of their digests. */
class Openings {
  count = 0;
  #digests = 0n;

  look({ kind, name, uid, revision, value, time }: StoredChange): void {
    if (kind !== ChangeKind.OPENING) return;
    this.count++;
    this.#digests += BigInt(`0x${hash("sha256", `${uid} ${revision} ${value} ${time} ${name}`)}`);
  }

  equal(other: Openings): boolean {
    return this.count === other.count && this.#digests === other.#digests;
  }
}

function sameEntry(a: CatalogueEntry, b: CatalogueEntry): boolean {
  return ENTRY_FIELDS.every((field) => a[field] === b[field]);
}

const ENTRY_FIELDS = fieldsOf<CatalogueEntry>({ kind: true, key: true, version: true, body: true });

function sameCounter(a: FullCounter, b: FullCounter): boolean {
  return (
    COUNTER_FIELDS.every((field) => a[field] === b[field]) &&
    a.policy?.prefix === b.policy?.prefix &&
    a.policy?.revision === b.policy?.revision &&
    TIMING_FIELDS.every((field) => a.timing?.[field] === b.timing?.[field]) &&
    SETTING_KEYS.every((key) => isSame(a, b, key))
  );
}

/** All of a counter but its settings, where it is in time and what it follows. */
const COUNTER_FIELDS = fieldsOf<Omit<FullCounter, SettingKey | "timing" | "policy">>({
  name: true,
  uid: true,
  value: true,
  revision: true,
  updateTime: true,
  settingsRevision: true,
  createTime: true,
});

const TIMING_FIELDS = fieldsOf<Timing>({
  windowStart: true,
  windowEnd: true,
  refillTime: true,
  refillCarry: true,
  due: true,
});

function sameChange(a: StoredChange, b: StoredChange): boolean {
  return STORED_CHANGE_FIELDS.every((field) => a[field] === b[field]);
}

/** All of a change but where it stands, which is each store's own. */
const STORED_CHANGE_FIELDS = [
  ...CHANGE_FIELDS,
  ...fieldsOf<Omit<StoredChange, keyof Change | "position">>({ name: true, uid: true }),
];

function sameRequestId(a: StoredRequestId, b: StoredRequestId): boolean {
  return a.generation === b.generation && a.key === b.key && Buffer.compare(a.record, b.record) === 0;
}
