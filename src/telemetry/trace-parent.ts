/** Where a call stands in a trace, as who made it says (W3C Trace Context, level 2). */
export interface TraceParent {
  /** 32 hexadecimal digits, not all of them 0. */
  readonly traceId: string;
  /** Of the span that it was called in: 16, likewise. */
  readonly spanId: string;
  /** Whether who called records the trace, and asks others to. */
  readonly isSampled: boolean;
}

/**
 * What a header `traceparent` says. Of what is not well-formed nothing is taken, and nobody is told: the specification has
 * it so, for whoever has called need not be who wrote it.
 *
 * @param header  several of one name joined by ", ", which is not well-formed either
 * @returns       undefined where there is none, or one that is not well-formed
 */
export function traceParentOf(header: string | undefined): TraceParent | undefined {
  if (header === undefined) return undefined;
  const { version, traceId, spanId, flags, more } = FORM.exec(header)?.groups ?? {};
  if (version === undefined || version === "ff" || (version === "00" && more !== "")) return undefined;
  if (traceId === NO_TRACE || spanId === NO_SPAN) return undefined;
  // Of the other flags of a later version nobody knows what they mean.
  return { traceId: traceId!, spanId: spanId!, isSampled: (Number.parseInt(flags!, 16) & SAMPLED) !== 0 };
}

/** The trace that it names, likewise. */
export function traceIdOf(header: string | undefined): string | undefined {
  return traceParentOf(header)?.traceId;
}

/** Of a later version something may follow behind a dash, but no second header: what would be whose? */
const FORM =
  /^(?<version>[\da-f]{2})-(?<traceId>[\da-f]{32})-(?<spanId>[\da-f]{16})-(?<flags>[\da-f]{2})(?<more>$|-[^,\s]*$)/;
const NO_TRACE = "0".repeat(32);
const NO_SPAN = "0".repeat(16);
const SAMPLED = 1;
