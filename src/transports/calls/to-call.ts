import type { Call } from "../../service/writer.ts";
import type { CallContext } from "./call.ts";

/** What of a call for the writer is not who calls. */
type Asked = Pick<Call, "requestId" | "ops" | "allOrNothing" | "takes">;

/** A call for the writer, by who makes it. */
export function toCall(context: CallContext, { requestId, ops, allOrNothing, takes }: Asked): Call {
  const { caller, callerName, formerCaller, deadline, parts } = context;
  const cancelled = () => context.cancelled();
  return {
    caller,
    callerName,
    formerCaller,
    requestId,
    ops,
    allOrNothing,
    takes,
    deadline,
    cancelled,
    parts,
  };
}
