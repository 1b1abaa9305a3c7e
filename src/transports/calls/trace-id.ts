/**
 * The trace that a call says it belongs to, by its header `traceparent` (W3C Trace Context, level 1).
 *
 * @returns  32 hexadecimal digits; undefined where there is no such header, or one that is not well-formed
 */
export function traceIdOf(traceparent: string | undefined): string | undefined {
  if (traceparent === undefined) return undefined;
  const { version, trace, parent, more } = FORM.exec(traceparent)?.groups ?? {};
  if (version === undefined || version === "ff" || (version === "00" && more !== "")) return undefined;
  return trace === NO_TRACE || parent === NO_PARENT ? undefined : trace;
}

/** Of a later version something may follow, behind a dash. */
const FORM = /^(?<version>[\da-f]{2})-(?<trace>[\da-f]{32})-(?<parent>[\da-f]{16})-[\da-f]{2}(?<more>$|-.*$)/;
const NO_TRACE = "0".repeat(32);
const NO_PARENT = "0".repeat(16);
