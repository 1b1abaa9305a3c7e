import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../telemetry.ts";
import type { UnaryCall } from "./call.ts";

/** The same calls, each of which is logged when it is answered: for whoever looks why something is refused. */
export function logged(calls: readonly UnaryCall[], log: Log, clock: Clock): readonly UnaryCall[] {
  return calls.map((call) => ({
    ...call,
    async answer(request, context) {
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
    },
  }));
}
