import { ChangeKind, endsCounter } from "../core/change.ts";
import type { Store } from "./store.ts";
import type { LookedPage } from "./store-accepting.ts";

/** What somebody has changed in a store's database itself, as far as it shows. */
export interface ByHand {
  /** Counters whose changes do not lead to what their rows say. */
  readonly counters: readonly Unaccounted[];
  /** Counters whose rows are not what Tally writes. */
  readonly corruptNames: readonly string[];
  /** See ChangePage.lost. */
  readonly lost: readonly string[];
  /** By name, the highest revision that the change log has. */
  readonly revisions: ReadonlyMap<string, number>;
}

/** A counter whose changes in the log do not lead to the value that it has. */
export interface Unaccounted {
  readonly name: string;
  readonly value: bigint;
  readonly revision: number;
  /** Where its changes lead; undefined when there is none. */
  readonly logged: { readonly value: bigint; readonly revision: number } | undefined;
}

/** Look for it: reads every counter and the whole change log, and keeps some 200 bytes a counter. */
export async function lookForChangesByHand(store: Store): Promise<ByHand> {
  const sums = new Map<string, { value: bigint; revision: number }>();
  const revisions = new Map<string, number>();
  const lost = new Set<string>();
  const corrupt = new Set<string>();
  for (let cursor = "", end = false; !end; ) {
    const page = await store.changesSince(cursor, 4_000);
    for (const id of page.lost ?? []) lost.add(id);
    for (const name of page.corruptNames ?? []) corrupt.add(name);
    for (const { uid, name, kind, value, revision, added, removed, ops } of page.changes) {
      revisions.set(name, Math.max(revision, revisions.get(name) ?? 0));
      const sum = sums.get(uid) ?? { value: 0n, revision: 0 };
      if (endsCounter(kind)) sums.delete(uid);
      else if (kind === ChangeKind.OPENING) sums.set(uid, { value, revision });
      else sums.set(uid, { value: sum.value + added - removed, revision: sum.revision + ops });
    }
    end = page.cursor === cursor;
    cursor = page.cursor;
  }
  const counters: Unaccounted[] = [];
  for await (const page of rowsOf(store)) {
    for (const name of page.corruptNames) corrupt.add(name);
    for (const id of page.lost) lost.add(id);
    for (const { uid, name, value, revision } of page.counters) {
      const logged = sums.get(uid);
      if (logged?.value === value && logged.revision === revision) continue;
      counters.push({ name, value, revision, logged });
    }
  }
  return { counters, corruptNames: [...corrupt], lost: [...lost], revisions };
}

/** Look only for rows that are not what Tally writes, that nothing leads to, or that are gone. */
export async function lookForLostRows(store: Store): Promise<Omit<ByHand, "counters" | "revisions">> {
  const [corruptNames, lost]: [string[], string[]] = [[], []];
  for await (const page of rowsOf(store)) {
    corruptNames.push(...page.corruptNames);
    lost.push(...page.lost);
  }
  return { corruptNames, lost };
}

async function* rowsOf(store: Store): AsyncGenerator<LookedPage> {
  for (let from: string | undefined = ""; from !== undefined; ) {
    const page: LookedPage = (await store.accepting?.look?.(from, 1_000)) ?? {
      ...(await store.list({ prefix: "", labels: {} }, from, 1_000)),
      lost: [],
    };
    yield page;
    from = page.next;
  }
}

/** What was found, in one sentence without a full stop; undefined when there was nothing. */
export function toldOf({ counters, corruptNames, lost }: Omit<ByHand, "revisions">): string | undefined {
  const [first] = counters;
  const more = counters.length > 1 ? ` (and ${counters.length - 1} more like it)` : "";
  const parts = [
    first && `${describe(first)}${more}`,
    corruptNames.length > 0 && `the rows of ${some(corruptNames)} are damaged, or not what Tally writes`,
    lost.length > 0 && `the rows of counters are gone, though nobody deleted them (row ids ${some(lost)})`,
  ];
  return parts.filter(Boolean).join("; ") || undefined;
}

/** What an operator is told of one: its value, and what the log says instead. */
export function describe({ name, value, revision, logged }: Unaccounted): string {
  const leads =
    logged === undefined
      ? "the change log has none of it"
      : `its changes lead to ${logged.value} at revision ${logged.revision}`;
  return `the counter ${name} has the value ${value} at revision ${revision}, and ${leads}`;
}

function some(names: readonly string[]): string {
  const more = names.length > 5 ? ` and ${names.length - 5} more` : "";
  return `${names.slice(0, 5).join(", ")}${more}`;
}
