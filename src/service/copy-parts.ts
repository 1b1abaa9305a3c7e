import { ChangeKind } from "../core/change.ts";
import type { Selection } from "../core/selection.ts";
import { lookForChangesByHand, lookForLostRows, toldOf } from "./by-hand.ts";
import { changedByHand, damaged, damagedEntries } from "./copy-errors.ts";
import type { Store } from "./store.ts";
import type { Copying, ImportPart } from "./store-copying.ts";
import type { HistoryExport } from "./store-history-copying.ts";
import type { StoredChange } from "./store-pages.ts";
import { reachWith } from "./verify-history.ts";

/** How much has been copied, or compared. */
export interface Progress {
  readonly phase: "catalogue" | "counters" | "changes" | "request ids" | "history" | "verifying";
  readonly counters: number;
  /** Of the change log, openings included. */
  readonly changes: number;
  readonly requestIds: number;
  /** Rows of history. */
  readonly history: number;
}

/** Where a copy stands: what was taken in, and the cursor of the phase it is in. */
export interface At extends Progress {
  readonly phase: Exclude<Progress["phase"], "verifying">;
  readonly cursor: string;
  /** From when on rows of history were damaged, and left out. */
  readonly damagedFrom?: number | undefined;
  /** Whether the history is whole. */
  readonly whole?: true;
}

export const BEGINNING: At = {
  phase: "catalogue",
  cursor: "",
  counters: 0,
  changes: 0,
  requestIds: 0,
  history: 0,
};

/** What one commit of the target takes in. */
export interface Part {
  readonly items: Omit<ImportPart, "progress">;
  /** After these. */
  readonly at: At;
}

/** What is left to copy, in parts. */
export async function* partsOf(
  { from, source, history }: { from: Store; source: Copying; history: HistoryExport | undefined },
  start: At,
  max: number,
): AsyncGenerator<Part> {
  let at = start;
  if (from.accepting?.look !== undefined) {
    const byHand = toldOf({ counters: [], ...(await lookForLostRows(from)) });
    if (byHand !== undefined) throw changedByHand(byHand);
  }
  if (at.phase === "catalogue") {
    const { entries, corrupt } = (await from.catalogue?.read(Number(at.cursor))) ?? NO_CATALOGUE;
    if (corrupt.length > 0) throw damagedEntries(corrupt);
    for (let first = 0; first < entries.length; first += max) {
      const catalogue = entries.slice(first, first + max);
      at = { ...at, cursor: `${catalogue.at(-1)!.version}` };
      yield { items: { catalogue }, at };
    }
    at = { ...at, phase: "counters", cursor: "" };
  }
  while (at.phase === "counters") {
    const { counters, corruptNames, next } = await from.list(ALL, at.cursor, Math.min(max, 1_000));
    if (corruptNames.length > 0) throw damaged(corruptNames);
    at = { ...at, counters: at.counters + counters.length };
    at = next === undefined ? { ...at, phase: "changes", cursor: "" } : { ...at, cursor: next };
    yield { items: { counters }, at };
  }
  while (at.phase === "changes") {
    const { changes, cursor, lost, corruptNames } = await from.changesSince(at.cursor, max);
    if ((lost ?? corruptNames) !== undefined) throw changedByHand(toldOf(await lookForChangesByHand(from))!);
    const end = cursor === at.cursor;
    at = { ...at, changes: at.changes + changes.length, cursor };
    if (end) at = { ...at, phase: "request ids", cursor: "" };
    yield { items: { openings: changes.filter(isOpening), commits: commitsOf(changes) }, at };
  }
  while (at.phase === "request ids") {
    const { requestIds, cursor } = await source.exportRequestIds(at.cursor, max);
    const end = cursor === at.cursor;
    at = { ...at, requestIds: at.requestIds + requestIds.length, cursor };
    if (end) at = { ...at, phase: "history", cursor: "" };
    else yield { items: { requestIds }, at };
  }
  if (history === undefined || at.whole) return;
  for (;;) {
    const { rows, cursor, damagedFrom } = await history.rows(at.cursor, Math.min(max, HISTORY_PART_MAX));
    const end = cursor === at.cursor;
    at = { ...at, history: at.history + rows.length, cursor };
    if (damagedFrom !== undefined)
      at = { ...at, damagedFrom: Math.min(damagedFrom, at.damagedFrom ?? damagedFrom) };
    if (!end) {
      yield { items: { history: { rows } }, at };
      continue;
    }
    const reach = reachWith(await history.reach(), at.damagedFrom);
    return yield { items: { history: { rows, reach } }, at: { ...at, whole: true } };
  }
}

const NO_CATALOGUE = { entries: [], corrupt: [] };

/** Every counter. */
const ALL: Selection = { prefix: "", labels: {} };

/** Rows, which may have some kilobytes each. */
const HISTORY_PART_MAX = 2_000;

function isOpening({ kind }: StoredChange): boolean {
  return kind === ChangeKind.OPENING;
}

/** The changes by commit. */
function commitsOf(changes: readonly StoredChange[]): StoredChange[][] {
  const commits: StoredChange[][] = [];
  let position: string | undefined;
  for (const change of changes) {
    if (isOpening(change)) continue;
    if (change.position !== position) commits.push([]);
    position = change.position;
    commits.at(-1)!.push(change);
  }
  return commits;
}
