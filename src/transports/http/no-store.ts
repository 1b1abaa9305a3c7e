import type { HttpRoute } from "./engine.ts";

/**
 * Answers nothing, and has nobody between keep what is answered to who has shown a credential; those answers say otherwise
 * that are the same for everybody.
 */
export function noStoreRoute(): HttpRoute {
  return (_, response) => {
    response.setHeader("cache-control", "no-store");
    return false;
  };
}
