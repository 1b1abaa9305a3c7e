import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../telemetry.ts";
import type { CallContext, UnaryCall } from "./call.ts";

/**
 * The same calls, each of which is logged when it is answered: for whoever looks why something is refused.
 *
 * @param each  whether they are logged now: looked at for each call
 */
export function logged(
  calls: readonly UnaryCall[],
  log: Log,
  clock: Clock,
  each: { readonly isOn: boolean },
): readonly UnaryCall[] {
  return calls.map((call) => {
    const telling = async (request: Buffer, context: CallContext) => {
      const since = clock.monotonic();
      const told = (outcome: string) =>
        log("call.answered", { rpc: call.method.name, outcome, ms: Math.round(clock.monotonic() - since) });
      try {
        const result = await call.answer(request, context);
        told(result instanceof Uint8Array ? "OK" : result.code);
        return result;
      } catch (error) {
        told((error as { code?: string }).code ?? "INTERNAL_ERROR");
        throw error;
      }
    };
    return {
      ...call,
      answer: (request, context) => (each.isOn ? telling(request, context) : call.answer(request, context)),
    };
  });
}
