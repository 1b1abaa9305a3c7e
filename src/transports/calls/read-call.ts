import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Target } from "./authorise.ts";
import { charged } from "./by-caller.ts";
import { about, type CallContext, type Refused, tooLarge, type UnaryMethod } from "./call.ts";
import { permissionOf } from "./permissions.ts";
import { readRequest } from "./shape.ts";

/**
 * A method that reads: its request decoded, its shape checked, and who calls allowed to read all that it asks for.
 *
 * @param targetsOf  what a request asks for: names, or a prefix
 * @param costOf     as how many operations a request counts
 */
export function readCall<Request extends DescMessage>(
  method: UnaryMethod["method"],
  schema: Request,
  requestBytesMax: number,
  targetsOf: (request: MessageShape<Request>) => readonly Target[],
  answer: (request: MessageShape<Request>, context: CallContext) => Promise<Uint8Array | Refused>,
  costOf: (request: MessageShape<Request>) => number = () => 1,
): UnaryMethod {
  const needed = permissionOf(method);
  return {
    method,
    changes: false,
    requestBytesMax,
    async answer(bytes, context) {
      if (bytes.length > requestBytesMax) return tooLarge(bytes.length, requestBytesMax);
      const request = readRequest(schema, bytes);
      if ("code" in request) return request;
      if (context.access !== undefined) {
        for (const target of targetsOf(request.message)) {
          const denied = context.access.denial(needed, target);
          if (denied !== undefined) return "name" in target ? about(target.name, denied) : denied;
        }
        const limited = charged(context.access, costOf(request.message));
        if (limited !== undefined) return limited;
      }
      return answer(request.message, context);
    },
  };
}

/** What looks at all counters, or at all of a prefix, counts as so many operations. */
export const SCAN_COST = 100;
