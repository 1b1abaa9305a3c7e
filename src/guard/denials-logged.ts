import { permissionsToText } from "../core/permissions.ts";
import type { LogFields } from "../telemetry.ts";
import type { Denial } from "./denials.ts";

/**
 * What the log says of a call that was denied: no name and no prefix that was asked for, and nothing of a credential but the id
 * of a key that is known.
 */
export function loggedOf(denial: Denial): LogFields {
  const { reason, caller, keyId, address, door, method, permission, traceId } = denial;
  return {
    reason,
    rpc: method.slice(method.lastIndexOf("/") + 1),
    door,
    address,
    by: caller,
    ...(keyId !== "" && { key_id: keyId }),
    ...(permission !== 0 && { permission: permissionsToText(permission) }),
    ...(traceId !== undefined && { trace_id: traceId }),
  };
}
