import { ConfigError } from "../config/error.ts";
import { StartError, type StartReason } from "../start-error.ts";
import { CommandError, EXIT } from "./exit.ts";

/** Why the server or a tool did not start, as the one who started it is told; what is no such reason stays as it is. */
export function startFailureOf(error: unknown): unknown {
  if (error instanceof ConfigError) {
    return new CommandError(error.origin === "flag" ? EXIT.USAGE : EXIT.CONFIG, error.message);
  }
  if (error instanceof StartError) return new CommandError(START_EXITS[error.reason], error.message);
  return error;
}

const START_EXITS: Readonly<Record<StartReason, number>> = {
  ADDRESS_IN_USE: EXIT.UNAVAILABLE,
  ADDRESS_UNKNOWN: EXIT.UNAVAILABLE,
  ADDRESS_FORBIDDEN: EXIT.FORBIDDEN,
  CERTIFICATE_UNUSABLE: EXIT.CONFIG,
  CREDENTIALS_UNUSABLE: EXIT.CONFIG,
  TRACING_UNUSABLE: EXIT.CONFIG,
  STORE_MISNAMED: EXIT.USAGE,
  STORE_AWAY: EXIT.UNAVAILABLE,
  STORE_IN_USE: EXIT.STORE_IN_USE,
  STORE_UNREACHABLE: EXIT.STORE_UNREACHABLE,
  STORE_UNUSABLE: EXIT.STORE_UNUSABLE,
  STORE_FAILED: EXIT.STORE_FAILED,
};
