/** What the cases of time have in common. */
import { expect } from "vitest";
import { endsCounter } from "../../../src/core/change.ts";
import type { FullCounter } from "../../../src/core/counter.ts";
import type { Settings } from "../../../src/core/settings.ts";
import type { Store } from "../../../src/service/store.ts";
import type { Opened } from "../../support/opened.ts";
import { allChanges } from "./changes.ts";
import type { using } from "./using.ts";

export type It = ReturnType<typeof using>;
export const ALL = { prefix: "", labels: {} };
export const MINUTE = 60_000;

/** A quota of five, whose window ends in a minute from now, whatever the time is. */
export function quota(opened: Opened, settings: Partial<Settings> & { value?: bigint } = {}) {
  return { max: 5n, window: { everyMs: MINUTE, anchorMs: opened.now() }, ...settings };
}

export async function read(store: Store, name: string): Promise<FullCounter> {
  const [found] = await store.get([name]);
  return found as FullCounter;
}

export async function tidy(store: Store): Promise<void> {
  while (await store.maintain());
}

export type Noted = [
  kind: number,
  firstRevision: number,
  revision: number,
  value: bigint,
  by: bigint,
  time: number,
];

/** The change log, short. @param from  what times are counted from */
export async function log(store: Store, from = 0): Promise<Noted[]> {
  const changes = await allChanges(store);
  return changes.map(({ kind, firstRevision, revision, value, added, removed, time }) => {
    return [kind, firstRevision, revision, value, added - removed, time - from];
  });
}

export function byNumbers(a: Noted, b: Noted): number {
  return a[0] - b[0] || Number(a[4] - b[4]) || a[5] - b[5];
}

export function withoutDue({ timing, ...counter }: FullCounter): object {
  return { ...counter, timing: timing && { ...timing, due: undefined } };
}

/** The sums of the changes of each counter that is there are its value, and its last revision is the log's. */
export async function expectLogLeadsTo(store: Store): Promise<void> {
  const known = new Map<string, { name: string; value: bigint; revision: number }>();
  for (const {
    uid,
    name,
    kind,
    value,
    revision,
    firstRevision,
    added,
    removed,
    ops,
    low,
    high,
  } of await allChanges(store)) {
    const before = known.get(uid) ?? { value: 0n, revision: 0 };
    expect([before.value + added - removed, firstRevision, firstRevision + ops - 1]).toEqual([
      ...[value, before.revision + 1, revision],
    ]);
    expect(low <= value && value <= high).toBe(true);
    if (endsCounter(kind)) known.delete(uid);
    else known.set(uid, { name, value, revision });
  }
  for (const [uid, { name, value, revision }] of known) {
    expect(await read(store, name)).toMatchObject({ uid, value, revision });
  }
}
