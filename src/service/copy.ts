import type { CatalogueName } from "../core/catalogue.ts";
import { ChangeKind } from "../core/change.ts";
import { TallyError } from "../core/errors.ts";
import { PolicySet } from "../core/policies.ts";
import type { Selection } from "../core/selection.ts";
import { lookForChangesByHand, lookForLostRows, toldOf } from "./by-hand.ts";
import { takeInAll } from "./history-follower.ts";
import type { Store } from "./store.ts";
import type { Copying, ExportHead, ImportPart, ImportState } from "./store-copying.ts";
import type { HistoryExport } from "./store-history-copying.ts";
import type { StoredChange } from "./store-pages.ts";
import { type Verified, verifyCopy } from "./verify-copy.ts";
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

/** What a copy came to. */
export interface Copied extends Verified {
  /** Whether there was nothing left to copy: it was all here from a run before, and was compared again. */
  readonly before: boolean;
  /** Whether a run before had begun it. */
  readonly resumed: boolean;
  /** True where the source has a history that the target could not keep. */
  readonly historyLeft?: true;
}

/** Why a copy did not come to its end: one sentence for the operator. */
export class CopyError extends Error {
  override readonly name = "CopyError";
  readonly reason: CopyFailure;
  constructor(reason: CopyFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** Why a copy was not made, or not finished. */
export type CopyFailure =
  /** The target has something else; nothing was changed. */
  | "REFUSED"
  /** Something in the source is damaged. */
  | "DAMAGED"
  /** What was copied is not what is in the source. */
  | "DIFFERENT"
  /** Told to stop; the next run goes on. */
  | "STOPPED";

/**
 * Take everything that a store keeps into another one: the catalogue, counters, the change log, the request ids that live,
 * and history, into which what the change log has beyond it is taken first. They are opened for the purposes "copyFrom"
 * and "copyTo".
 *
 * May be interrupted at any moment: called again with the same stores, it goes on where the target stands; or begins
 * anew, should the source have changed meanwhile. Ends the copy only after both were compared, item by item.
 *
 * @param options.onProgress  told after each part
 * @param options.signal      stop after the part in flight
 * @param options.partMax     how much one commit takes in, about
 * @throws CopyError
 * @throws TallyError  when a store fails; run again to go on
 */
export async function copyStore(
  from: Store,
  to: Store,
  options: { onProgress?: (progress: Progress) => void; signal?: AbortSignal; partMax?: number } = {},
): Promise<Copied> {
  const { onProgress = () => {}, signal, partMax = PART_MAX } = options;
  const [source, target] = [from.copying, to.copying];
  if (source === undefined || target === undefined) {
    const { title } = (source === undefined ? from : to).traits;
    throw new CopyError("REFUSED", `${title} is a store that cannot be copied. Nothing was changed.`);
  }
  if (to.catalogue === undefined && ((await from.catalogue?.read(0).catch(toldOfDamage))?.version ?? 0) > 0) {
    const message = `${to.traits.title} has no room for the catalogue of the source. Nothing was changed.`;
    throw new CopyError("REFUSED", message);
  }
  const policies = await policiesOf(from);
  if (policies > 0 && to.policies === undefined) {
    const message =
      `${to.traits.title} keeps no policies, and the source has ${policies}. Take them away first with ` +
      "`tally policy delete`, on a server of the source: their counters keep their settings. Nothing was changed.";
    throw new CopyError("REFUSED", message);
  }
  const kept = await source.exportHistory?.();
  const history = target.exportHistory && kept;
  if (history !== undefined) await takeInAll(from, history.intake, TAKING_IN).catch(toldOfDamage);
  const head = await source.exportHead().catch(toldOfDamage);
  const state = await target.importState();
  const start = startOf(head, state, history !== undefined);
  if (start === "anew") await target.beginImport(head);
  let at = start === "anew" ? BEGINNING : start;

  const parts = partsOf({ from, source, history }, at, partMax);
  let next = parts.next();
  for (;;) {
    const { value: part, done } = await next.catch(toldOfDamage);
    if (done) break;
    next = parts.next(); // Read while the one before is written.
    next.catch(() => {}); // Told when its turn comes.
    await target.import({ ...part.items, progress: JSON.stringify(part.at) });
    at = part.at;
    onProgress(at);
    if (signal?.aborted) throw new CopyError("STOPPED", STOPPED);
  }

  const verified = await verifyCopy(from, to, (verified) => {
    onProgress({ ...verified, phase: "verifying" });
    if (signal?.aborted) throw new CopyError("STOPPED", STOPPED);
  });
  if ("difference" in verified) {
    const byHand = toldOf(await lookForChangesByHand(from).catch(toldOfDamage));
    if (byHand !== undefined) throw changedByHand(byHand);
    await target.import({ progress: "" }); // Which has the next run begin anew.
    throw new CopyError(
      "DIFFERENT",
      `The copy is not what the source has; it differs in ${verified.difference}. ${ANEW}`,
    );
  }
  if ((await source.exportHead().catch(toldOfDamage)).state !== head.state)
    throw new CopyError("DIFFERENT", MEANWHILE);
  const before = state.copy?.ended === true && start !== "anew";
  if (!before) await target.endImport();
  const left = kept !== undefined && history === undefined;
  return { ...verified, before, resumed: start !== "anew", ...(left && { historyLeft: true }) };
}

const STOPPED =
  "Stopped; the same command goes on from here. Until it has ended, the target cannot be served.";
const MEANWHILE =
  "The source was changed while it was copied. Stop whatever serves it; then the same command copies it anew.";
const ANEW = "The target cannot be served; the same command copies it anew.";

/** Where a copy stands: what was taken in, and the cursor of the phase it is in. */
interface At extends Progress {
  readonly phase: Exclude<Progress["phase"], "verifying">;
  readonly cursor: string;
  /** From when on rows of history were damaged, and left out. */
  readonly damagedFrom?: number | undefined;
  /** Whether the history is whole. */
  readonly whole?: true;
}

const BEGINNING: At = { phase: "catalogue", cursor: "", counters: 0, changes: 0, requestIds: 0, history: 0 };

/**
 * Where to begin: "anew" takes away what a copy before has brought.
 *
 * @throws CopyError REFUSED when the target has anything else
 */
function startOf(head: ExportHead, { empty, copy }: ImportState, history: boolean): At | "anew" {
  if (head.storeId === copy?.storeId) {
    if (head.state !== copy.state || copy.progress === "") return "anew";
    const at: At = { ...BEGINNING, ...JSON.parse(copy.progress) }; // An older version counts no history.
    return copy.ended && history && at.whole !== true ? "anew" : at; // Nor had it taken any along.
  }
  if (empty && (copy === undefined || copy.ended)) return "anew";
  throw new CopyError(
    "REFUSED",
    copy === undefined
      ? "The target has counters, changes, request ids, history or anything else of its own; a copy needs an empty one. Nothing was changed."
      : "The target has a copy of another store, or a part of one; give an empty target. Nothing was changed.",
  );
}

interface Part {
  readonly items: Omit<ImportPart, "progress">;
  /** After these. */
  readonly at: At;
}

/** What is left to copy, in parts. */
async function* partsOf(
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

/** So much that fsync does not count, so little that somebody who stops it need not wait. */
const PART_MAX = 4_000;
/** Rows, which may have some kilobytes each. */
const HISTORY_PART_MAX = 2_000;
/** A process that was killed had the source's history in hand for some seconds more. */
const TAKING_IN = { waitMs: 15_000, pageChanges: 5_000 };

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

/** @param what  a clause */
function changedByHand(what: string): CopyError {
  return new CopyError(
    "DAMAGED",
    `The source was changed by hand: ${what}. Restore it from a backup, or accept it as it stands (tally accept --store ` +
      "URL NAME..., and --gone for rows that are gone); then copy again.",
  );
}

/** Where what is missing in the source cannot be named. */
function toldOfDamage(error: unknown): never {
  if (!(error instanceof TallyError) || error.code !== "ROW_CORRUPT") throw error;
  const message = `The source is damaged: ${error.message}. Restore it from a backup.`;
  throw new CopyError("DAMAGED", message, { cause: error });
}

function damagedEntries(entries: readonly CatalogueName[]): CopyError {
  const some = entries.slice(0, 5).map(({ kind, key }) => `${kind} ${key}`);
  return new CopyError(
    "DAMAGED",
    `The source has damaged entries in its catalogue (${some.join(", ")}); restore it from a backup.`,
  );
}

function damaged(names: readonly string[]): CopyError {
  const some = names.slice(0, 5).join(", ");
  const more = names.length > 5 ? ` and ${names.length - 5} more` : "";
  return new CopyError(
    "DAMAGED",
    `The source has damaged counters (${some}${more}); restore it from a backup, or, if they were changed by hand and ` +
      "are to stay so, accept them: tally accept --store URL NAME... (--gone for rows that are gone); then copy again.",
  );
}

/** How many policies a store has. */
async function policiesOf({ catalogue }: Store): Promise<number> {
  if (catalogue === undefined) return 0;
  return PolicySet.NONE.with(await catalogue.read(0).catch(toldOfDamage)).size;
}
