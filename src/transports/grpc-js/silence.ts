import * as grpc from "@grpc/grpc-js";
import type { Clock } from "../../core/clock.ts";
import { seldom } from "../../core/seldom.ts";
import type { Log } from "../../telemetry.ts";

/**
 * Have grpc-js print nothing, whatever GRPC_VERBOSITY and GRPC_TRACE say: its texts may hold what a caller has sent, and
 * are no lines of our log. That it had an error to tell of is logged, without its text. Of the whole process: the
 * server opened last is told.
 */
export function silenceGrpcJs(clock: Clock, log: Log): void {
  const tell = seldom<void>(clock, () => log("grpc.engine_error"));
  grpc.setLogger({ error: () => tell(), info: ignore, debug: ignore });
  grpc.setLogVerbosity(grpc.logVerbosity.ERROR);
}

function ignore(): void {}
