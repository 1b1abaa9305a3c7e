import type { AnyDesc } from "@bufbuild/protobuf";
import { getComments } from "@bufbuild/protoplugin";

/** The comment of a declaration, its paragraphs unwrapped; "" without one. */
export function commentOf(desc: Exclude<AnyDesc, { kind: "file" }>): string {
  const { leading = "" } = getComments(desc);
  return leading
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.trim().replace(/\s*\n\s*/g, " "))
    .join("\n\n");
}

/** A method's comment, taken apart. */
export interface MethodComment {
  /** The first sentence, without its full stop. */
  readonly summary: string;
  readonly description: string;
  /** What its "Errors:" lists: reasons, each with what stands behind it in brackets. */
  readonly reasons: ReadonlyMap<string, string>;
}

/** What is said of a method that has no reasons of its own. */
const NONE = "none of its own";

/** @throws TypeError when it does not end in "Errors: REASON, REASON (why)." */
export function readMethodComment(comment: string): MethodComment {
  const paragraphs = comment.split("\n\n");
  const last = paragraphs.at(-1)!;
  const listed = /^Errors: (.*)\.$/.exec(last)?.[1];
  if (listed === undefined) throw new TypeError(`expected a comment that ends in "Errors: ...", got ${last}`);
  const reasons = new Map<string, string>();
  let read = 0;
  for (const [all, reason, why] of listed.matchAll(/([A-Z][A-Z_]+)(?: \(([^)]*)\))?(?:, |$)/g)) {
    reasons.set(reason!, why ?? "");
    read += all.length;
  }
  // Of anything else between them a reason may be meant, whose status the document would lack.
  if (read !== listed.length && listed !== NONE)
    throw new TypeError(`expected reasons parted by commas, got ${listed}`);
  const description = paragraphs.slice(0, -1).join("\n\n");
  const summary = description.slice(0, description.search(/[.;](\s|$)/));
  return { summary, description, reasons };
}
