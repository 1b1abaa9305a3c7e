import type { UnaryCall } from "../calls/call.ts";
import type { Named } from "../http/etags.ts";
import type { PathFields, parseTemplate } from "./template.ts";

/** A path that leads to a method. */
export interface Binding {
  readonly method: string;
  readonly template: ReturnType<typeof parseTemplate>;
  /** Whether the body is the rest of the message; without it the query is. */
  readonly hasBody: boolean;
  /** The call that is asked for. @param body  JSON, not read yet */
  call(body: Buffer): UnaryCall;
  /** What is answered, and what names it for the next request. */
  toJson(call: UnaryCall, response: Uint8Array): { json: unknown; named: Named };
}

/** A binding that a path fits. */
export interface Match {
  readonly binding: Binding;
  readonly fields: PathFields;
}
