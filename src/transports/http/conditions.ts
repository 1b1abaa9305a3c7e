import type { Refusal } from "../../core/errors.ts";
import { invalidField } from "../calls/shape.ts";
import type { HttpRequest } from "./engine.ts";
import { type Named, partsOf } from "./etags.ts";

/** Whether a request reads in the words of HTTP: then its conditions are about the answer. */
export function isGet({ method }: HttpRequest): boolean {
  return method === "GET" || method === "HEAD";
}

/**
 * What becomes of the answer to a GET, by the conditions it came with: it is sent; or it is not, as the caller has it
 * (304); or it is refused (412). In the order of RFC 9110, section 13.2.2. Those about times are passed over, as it asks
 * for where an answer has no Last-Modified.
 *
 * What time changes by itself is always sent: nobody has it already.
 */
export function judgeConditions(
  request: HttpRequest,
  { etag, isFleeting = false }: Named,
): "send" | "not modified" | Refusal {
  const match = request.header("if-match");
  if (match !== undefined) {
    const tags = tagsOf(match);
    if (tags === undefined) return invalidField("If-Match", EXPECTED, match);
    if (tags !== "*" && !tags.some(({ weak, text }) => !weak && isAbout(text, etag))) {
      return { code: "PRECONDITION_FAILED", ...(etag !== undefined && { etag }) };
    }
  }
  const noneMatch = request.header("if-none-match");
  if (noneMatch === undefined) return "send";
  const tags = tagsOf(noneMatch);
  if (tags === undefined) return invalidField("If-None-Match", EXPECTED, noneMatch);
  const isHad = tags === "*" || tags.some(({ text }) => text === etag);
  return isHad && !isFleeting ? "not modified" : "send";
}

const EXPECTED = 'must be etags such as "x", separated by commas, or *';

/** Whether a tag names what there is: as a whole, by the etag of its value or of its settings, or with more than is shown. */
function isAbout(tag: string, etag: string | undefined): boolean {
  if (etag === undefined) return false;
  const parts = partsOf(etag);
  return [etag, parts.etag, parts.settingsEtag].includes(tag) || partsOf(tag).etag === etag;
}

interface Tag {
  readonly weak: boolean;
  readonly text: string;
}

/** A list of etags, one without quotes among them as many clients send it; undefined for what is none. */
function tagsOf(header: string): readonly Tag[] | "*" | undefined {
  if (header.trim() === "*") return "*";
  const tags: Tag[] = [];
  for (let at = 0; at < header.length; ) {
    while (header[at] === " " || header[at] === "\t") at++; // Not in the pattern, which would go back and forth over it.
    ITEM.lastIndex = at;
    const match = ITEM.exec(header);
    if (match === null) return undefined;
    const [whole, weak, quoted, bare] = match;
    const text = quoted ?? bare;
    if (text !== undefined) tags.push({ weak: weak !== undefined, text });
    at += whole.length;
  }
  return tags.length === 0 ? undefined : tags;
}

/** One item, which may be empty, with its comma: never of no length before the end. */
const ITEM = /(?:(W\/)?"([^"]*)"|([^",*\s][^",\s]*))?[ \t]*(?:,|$)/y;
