import type { Counter } from "../../../gen/tally/v1/counter_pb.ts";
import { EPOCH_PATTERN } from "../../core/epoch.ts";

/**
 * What the ETag header of HTTP names. The answer to a GET shows a counter's settings beside its value, so what names it
 * names both: the counter's etag, and the end of its settings_etag behind it ("UID.4.s2"), and then the epoch of a store that was restored. A change asks with If-Match
 * for the part that it is about.
 *
 * @see docs/decisions/0025-an-etag-header-names-value-and-settings.md
 */

/** What names an answer for the next request. */
export interface Named {
  /** Without quotes; undefined where nothing names it, as with lists. */
  readonly etag: string | undefined;
  /**
   * True where time by itself changes what is shown, under the same etag: an etag names what callers and rolls have done,
   * and neither what a refill gives back nor which window it is.
   */
  readonly isFleeting?: boolean;
}

/** What names the counter that an answer is about; nothing when it is about none, or about many. */
export function namedIn(answer: object): Named {
  const { counter, outcome } = answer as { counter?: Etags & InTime; outcome?: Partial<Etags> };
  return counter === undefined
    ? { etag: outcome?.etag }
    : { etag: validatorOf(counter), isFleeting: isFleeting(counter) };
}

/** Whether time does something to a counter, by its settings. */
export function isFleeting({ window, refill, idleTtl }: InTime): boolean {
  return window !== undefined || refill !== undefined || idleTtl !== undefined;
}

type InTime = Pick<Counter, "window" | "refill" | "idleTtl">;

interface Etags {
  readonly etag: string;
  readonly settingsEtag: string;
}

/** What names a counter as a whole. */
function validatorOf({ etag, settingsEtag }: Etags): string {
  const [, value, epoch = ""] = IN_EPOCH.exec(etag)!;
  const [, settings] = IN_EPOCH.exec(settingsEtag)!;
  return `${value}${settings!.slice(settings!.lastIndexOf("."))}${epoch}`;
}

/** The etags in what names a counter as a whole; both undefined when it does not. */
export function partsOf(validator: string): Partial<Etags> {
  const [, value, uid, settings, epoch = ""] = WHOLE.exec(validator) ?? [];
  return value === undefined ? {} : { etag: `${value}${epoch}`, settingsEtag: `${uid}${settings}${epoch}` };
}

/** An etag, and the epoch that it ends in: a revision is before that. */
const IN_EPOCH = new RegExp(`^([^.]+\\.s?[0-9]+)(\\.${EPOCH_PATTERN})?$`);
const WHOLE = new RegExp(`^((.+)\\.[0-9]+)(\\.s[0-9]+)(\\.${EPOCH_PATTERN})?$`);
