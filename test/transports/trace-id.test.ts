/** Which trace a call belongs to, by W3C Trace Context: of a header that is not well-formed nothing is taken. */
import { expect, it } from "vitest";
import { traceIdOf } from "../../src/transports/calls/trace-id.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const REST = "00f067aa0ba902b7-01";

it.each([
  `00-${TRACE}-${REST}`,
  `00-${TRACE}-00f067aa0ba902b7-00`,
  `cc-${TRACE}-${REST}`,
  `cc-${TRACE}-${REST}-what-comes-later`,
])("takes it of %s", (header) => expect(traceIdOf(header)).toBe(TRACE));

it.each([
  undefined,
  "",
  TRACE,
  `ff-${TRACE}-${REST}`,
  `00-${TRACE}-${REST}-more`,
  `cc-${TRACE}-${REST}x`,
  `00-${TRACE.toUpperCase()}-${REST}`,
  `00-${"0".repeat(32)}-${REST}`,
  `00-${TRACE}-0000000000000000-01`,
  ` 00-${TRACE}-${REST}`,
  `00-${TRACE}-${REST}, 00-${TRACE}-${REST}`,
  `00-${TRACE}-${REST}\n`,
  `00-${"é".repeat(32)}-${REST}`,
])("takes nothing of %j", (header) => expect(traceIdOf(header)).toBeUndefined());
