import {
  create,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type Refusal, TallyError } from "../../../core/errors.ts";
import type { Administration } from "../../../guard/administration.ts";
import type { Log } from "../../../telemetry.ts";
import { type CallContext, type Refused, tooLarge, type UnaryMethod } from "../call.ts";
import { permissionOf } from "../permissions.ts";
import { readRequest } from "../shape.ts";

/** What the calls of AdminService need. */
export interface AdminCalls {
  /** Undefined while nobody has to say who they are. */
  readonly administration: Administration | undefined;
  readonly log: Log;
  /** The largest request, in bytes of the encoded message. */
  readonly requestBytesMax: number;
}

/** A method of AdminService. */
export interface AdminMethod<Request extends DescMessage, Response extends DescMessage> {
  readonly method: DescMethodUnary<Request, Response>;
  /** Of one that changes something: what of a request the log says of it, never a secret; undefined: it only reads. */
  readonly about?: (request: MessageShape<Request>) => string;
  answer(
    request: MessageShape<Request>,
    administration: Administration,
    context: CallContext,
  ): Promise<MessageInitShape<Response> | Refused>;
}

/**
 * A method of AdminService as a call: its request decoded, its shape checked, and who calls allowed to. Whatever changes
 * something is in the log, whether it did or not.
 */
export function adminCall<Request extends DescMessage, Response extends DescMessage>(
  { administration, log, requestBytesMax }: AdminCalls,
  { method, about, answer }: AdminMethod<Request, Response>,
): UnaryMethod {
  const needed = permissionOf(method);
  const judged = async (
    message: MessageShape<Request>,
    context: CallContext,
  ): Promise<MessageInitShape<Response> | Refused> => {
    const denied = needed === 0 ? undefined : context.access?.denial(needed, { prefix: "" });
    if (denied !== undefined) return denied;
    return administration === undefined ? AUTH_OFF : answer(message, administration, context);
  };
  return {
    method,
    changes: about !== undefined,
    requestBytesMax,
    async answer(bytes, context) {
      if (bytes.length > requestBytesMax) return tooLarge(bytes.length, requestBytesMax);
      const request = readRequest(method.input, bytes);
      if ("code" in request) return request;
      const tell = (outcome: string) => {
        if (about !== undefined)
          log("audit.changed", audited(method, about(request.message), context, outcome));
      };
      try {
        const answered = await judged(request.message, context);
        tell(isRefused(answered) ? answered.code : "OK");
        return isRefused(answered) ? answered : toBinary(method.output, create(method.output, answered));
      } catch (error) {
        tell(error instanceof TallyError ? error.code : "INTERNAL_ERROR");
        throw error;
      }
    },
  };
}

/** Who did what, from where, and what came of it. */
function audited(
  { name }: DescMethodUnary,
  about: string,
  { access, callerName }: CallContext,
  outcome: string,
) {
  const { credential, keyId, address } = access?.identity ?? {};
  return { by: callerName ?? "", credential, key_id: keyId, address, did: name, about, outcome };
}

/** No message of AdminService's answers has a field `code`. */
function isRefused(answered: object): answered is Refused {
  return "code" in answered;
}

const AUTH_OFF: Refusal = { code: "AUTH_OFF" };
