import { PolicySet } from "../core/policies.ts";
import { lookForChangesByHand, toldOf } from "./by-hand.ts";
import { CopyError, changedByHand, toldOfDamage } from "./copy-errors.ts";
import { type At, BEGINNING, type Progress, partsOf } from "./copy-parts.ts";
import { takeInAll } from "./history-follower.ts";
import type { Store } from "./store.ts";
import type { ExportHead, ImportState } from "./store-copying.ts";
import { type Verified, verifyCopy } from "./verify-copy.ts";

/** What a copy came to. */
export interface Copied extends Verified {
  /** Whether there was nothing left to copy: it was all here from a run before, and was compared again. */
  readonly before: boolean;
  /** Whether a run before had begun it. */
  readonly resumed: boolean;
  /** True where the source has a history that the target could not keep. */
  readonly historyLeft?: true;
}

/**
 * Take everything that a store keeps into another one: the catalogue, counters, the change log, the request ids that live,
 * when keys were last used, and history, into which what the change log has beyond it is taken first. They are opened for
 * the purposes "copyFrom" and "copyTo".
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
  const progress = JSON.stringify(at);
  // At the end of each run: a use moves no state by which a run would know that the source has had more of them.
  if (to.keyUses !== undefined)
    for await (const keyUses of keyUsesOf(from)) await target.import({ keyUses, progress });
  const before = state.copy?.ended === true && start !== "anew";
  if (!before) await target.endImport();
  const left = kept !== undefined && history === undefined;
  return { ...verified, before, resumed: start !== "anew", ...(left && { historyLeft: true }) };
}

/** So much that fsync does not count, so little that somebody who stops it need not wait. */
const PART_MAX = 4_000;
/** A process that was killed had the source's history in hand for some seconds more. */
const TAKING_IN = { waitMs: 15_000, pageChanges: 5_000 };

const STOPPED =
  "Stopped; the same command goes on from here. Until it has ended, the target cannot be served.";
const MEANWHILE =
  "The source was changed while it was copied. Stop whatever serves it; then the same command copies it anew.";
const ANEW = "The target cannot be served; the same command copies it anew.";

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

/** When the keys of a store were last used, some at a time. */
async function* keyUsesOf({ catalogue, keyUses }: Store): AsyncGenerator<ReadonlyMap<string, number>> {
  if (catalogue === undefined || keyUses === undefined) return;
  const { entries } = await catalogue.read(0);
  const keys = entries.filter(({ kind, body }) => kind === "key" && body !== undefined);
  for (let first = 0; first < keys.length; first += KEYS_AT_ONCE) {
    const used = await keyUses.read(keys.slice(first, first + KEYS_AT_ONCE).map(({ key }) => key));
    if (used.size > 0) yield used;
  }
}

/** See KeyUses.note. */
const KEYS_AT_ONCE = 1_000;

/** How many policies a store has. */
async function policiesOf({ catalogue }: Store): Promise<number> {
  if (catalogue === undefined) return 0;
  return PolicySet.NONE.with(await catalogue.read(0).catch(toldOfDamage)).size;
}
