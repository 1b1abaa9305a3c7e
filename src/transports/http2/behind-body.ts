import type { Refusal } from "../../core/errors.ts";
import { countIn } from "../../http2/fields.ts";
import type { ServerStream } from "../../http2/stream.ts";
import { meantAsHeader } from "../http/message.ts";

/** What of a request would mean something before its body, and came behind it; undefined: nothing, as with nearly all. */
export function behindBody({ trailers }: ServerStream): Refusal | undefined {
  return trailers.length === 0 ? undefined : meantAsHeader((name) => countIn(trailers, name) > 0);
}
