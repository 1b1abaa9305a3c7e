/**
 * What carries HTTP/2 in this run of the tests: `vitest run --mode http2` has our own engine under all that is promised of
 * doors. Then clients of HTTP speak HTTP/2 too, wherever a test does not write HTTP/1.1 by hand.
 */
import type { Http2EngineName } from "../../src/transports/doors.ts";

/** Both, for what takes turns with them in one run. */
export const ENGINES: readonly Http2EngineName[] = ["grpc-js", "own"];

export const ENGINE: Http2EngineName = process.env.TALLY_TEST_HTTP2_ENGINE === "own" ? "own" : "grpc-js";

/** What is so with one engine, and otherwise with the other; each such place says why. */
export function byEngine<T>(of: Readonly<Record<Http2EngineName, T>>): T {
  return of[ENGINE];
}

/** What clients of connect-node speak, unless it is gRPC. */
export const HTTP_VERSION = byEngine({ "grpc-js": "1.1", own: "2" } as const);
