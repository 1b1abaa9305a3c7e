/** Under which keys the record of a call is looked for, and which record it is answered from. */
import { isOf, requestKey } from "./answer.ts";
import { type Batch, type CallHead, callAt } from "./columns.ts";
import { CORRUPT } from "./counter.ts";
import type { Loaded, RequestKeys, Touched } from "./load-save.ts";
import type { Op } from "./op.ts";

/** The keys of a batch's request ids. */
export function requestKeys({ calls }: Batch, { names, counterOf }: Touched): RequestKeys {
  const nameOf = (c: number) => names[counterOf[c === 0 ? 0 : calls.ends[c - 1]!]!]!;
  const keys = calls.requestIds.map((requestId, c) =>
    requestId === undefined ? undefined : requestKey(callAt(calls, c), nameOf(c)),
  );
  const formerKeys = calls.formerCallers?.map((caller, c) =>
    keys[c] === undefined || caller === undefined || caller === calls.callers[c]
      ? undefined
      : requestKey({ ...callAt(calls, c), caller }, nameOf(c)),
  );
  return { keys, formerKeys };
}

/**
 * All keys that a store has to look for.
 *
 * @param only  the calls that are meant; all, unless given
 */
export function keysToFind({ keys, formerKeys }: RequestKeys, only?: ReadonlySet<number>): string[] {
  const found: string[] = [];
  for (const some of formerKeys === undefined ? [keys] : [keys, formerKeys]) {
    for (const [c, key] of some.entries()) {
      if (key !== undefined && (only === undefined || only.has(c))) found.push(key);
    }
  }
  return found;
}

/**
 * The record that call c is answered from; undefined: it is judged afresh. One that is kept under its former caller is its
 * own only if it is of the same operations: another is of somebody else who did not have to say who they are.
 *
 * @param answers  what the calls before it in the batch have been answered, by key
 */
export function recordOf(
  { keys, formerKeys, answered }: Pick<Loaded, "keys" | "formerKeys" | "answered">,
  answers: ReadonlyMap<string, Uint8Array>,
  call: CallHead,
  c: number,
  op: Op | undefined,
): Uint8Array | typeof CORRUPT | undefined {
  const key = keys[c];
  if (key === undefined) return undefined;
  const own = answers.get(key) ?? answered.get(key);
  const formerKey = formerKeys?.[c];
  if (own !== undefined || formerKey === undefined) return own;
  const former = answers.get(formerKey) ?? answered.get(formerKey);
  if (former === undefined || former === CORRUPT) return former; // A damaged one may be its own.
  return isOf(former, call, op) ? former : undefined;
}
