import type { Refusal } from "../../core/errors.ts";
import { countIn } from "../../http2/fields.ts";
import { meantAsHeader } from "../http/message.ts";

/** What of a request would mean something before its body, and came behind it; undefined: nothing. */
export function behindBody(trailers: readonly string[]): Refusal | undefined {
  return meantAsHeader((name) => countIn(trailers, name) > 0);
}
