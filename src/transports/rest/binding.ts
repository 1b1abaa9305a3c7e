import type { UnaryCall } from "../calls/call.ts";
import type { Named } from "../http/etags.ts";
import type { Taken } from "./request.ts";
import type { PathFields, parseTemplate } from "./template.ts";

/** A path that leads to a method. */
export interface Binding extends Taken {
  readonly method: string;
  readonly template: ReturnType<typeof parseTemplate>;
  /** The call that is asked for. @param body  JSON, not read yet */
  call(body: Buffer): UnaryCall;
  /** What is answered, and what names it for the next request. */
  toJson(call: UnaryCall, response: Uint8Array): Answered;
}

/** An answer of REST. */
export interface Answered {
  readonly json: unknown;
  readonly named: Named;
  /** How it is told beside the body, where that is not 200 and nothing else. */
  readonly told?: { readonly status: number; readonly headers: Readonly<Record<string, string>> } | undefined;
}

/** A binding that a path fits. */
export interface Match {
  readonly binding: Binding;
  readonly fields: PathFields;
}
