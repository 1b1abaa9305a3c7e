/**
 * What carries HTTP/2 in this run of the tests: our own engine, the default, and clients of HTTP speak HTTP/2 too, wherever a
 * test does not write HTTP/1.1 by hand. `vitest run --mode grpc-js` has the other one under all that is promised of doors, and
 * those clients speak HTTP/1.1.
 */
import type { Http2EngineName } from "../../src/transports/doors.ts";

/** Both, for what takes turns with them in one run. */
export const ENGINES: readonly Http2EngineName[] = ["own", "grpc-js"];

export const ENGINE: Http2EngineName = process.env.TALLY_TEST_HTTP2_ENGINE === "grpc-js" ? "grpc-js" : "own";

/** What is so with one engine, and otherwise with the other; each such place says why. */
export function byEngine<T>(of: Readonly<Record<Http2EngineName, T>>): T {
  return of[ENGINE];
}

/** What clients of connect-node speak, unless it is gRPC. */
export const HTTP_VERSION = byEngine({ "grpc-js": "1.1", own: "2" } as const);
