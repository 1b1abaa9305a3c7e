/**
 * Where a call stands in a trace, by W3C Trace Context: of a header that is not well-formed nothing is taken.
 *
 * Beside what the specification and its own suite of tests have, these are what parsers of others took that they should not
 * have, or the other way round, as was reported of them: each with where.
 */
import { describe, expect, it } from "vitest";
import { traceIdOf, traceParentOf } from "../../src/telemetry/trace-parent.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const of = (isSampled: boolean, traceId = TRACE, spanId = SPAN) => ({ traceId, spanId, isSampled });

describe("takes it of a header that is well-formed", () => {
  it.each([
    ["that is sampled", `00-${TRACE}-${SPAN}-01`, of(true)],
    ["that is not", `00-${TRACE}-${SPAN}-00`, of(false)],
    ["with flags of level 2 beside the one", `00-${TRACE}-${SPAN}-03`, of(true)],
    ["with all flags", `00-${TRACE}-${SPAN}-ff`, of(true)],
    ["with flags that nobody knows yet", `00-${TRACE}-${SPAN}-fe`, of(false)],
    ["of a later version", `cc-${TRACE}-${SPAN}-01`, of(true)],
    ["of a later version, which says more", `cc-${TRACE}-${SPAN}-01-what-comes-later`, of(true)],
    ["of a later version, behind a dash nothing", `01-${TRACE}-${SPAN}-01-`, of(true)],
    // DataDog/dd-trace-py#4791: without a letter it was taken for one in capitals.
    [
      "of digits alone",
      "00-12345678901234567890123456789012-1234567890123456-01",
      of(true, "12345678901234567890123456789012", "1234567890123456"),
    ],
    // w3c/trace-context#194: zeros are, as long as not all are.
    [
      "of 64 bits, padded with zeros",
      `00-${"0".repeat(16)}1234567890abcdef-${SPAN}-01`,
      of(true, `${"0".repeat(16)}1234567890abcdef`),
    ],
    [
      "of the least there is",
      `00-${"0".repeat(31)}1-${"0".repeat(15)}1-01`,
      of(true, `${"0".repeat(31)}1`, `${"0".repeat(15)}1`),
    ],
  ])("%s", (_, header, expected) => {
    expect(traceParentOf(header)).toEqual(expected);
    expect(traceIdOf(header)).toBe(expected.traceId);
  });
});

describe("takes nothing of a header", () => {
  it.each([
    ["that is not there", undefined],
    ["that is empty", ""],
    ["of blanks", "   "],
    ["of a trace alone", TRACE],
    // open-telemetry/opentelemetry-java#1674, instana/python-sensor#426
    ["of version ff", `ff-${TRACE}-${SPAN}-01`],
    ["of version ff, which says more", `ff-${TRACE}-${SPAN}-01-more`],
    ["of a version with other characters", `.0-${TRACE}-${SPAN}-01`],
    // DataDog/dd-trace-cpp#241
    ["of a version that is none", `xz-${TRACE}-${SPAN}-01`],
    ["of a version in capitals", `CC-${TRACE}-${SPAN}-01`],
    ["of a version too short", `0-${TRACE}-${SPAN}-01`],
    ["of a version too long", `000-${TRACE}-${SPAN}-01`],
    // PostHog/posthog-js#4776, TryGhost/ActivityPub#1897
    ["of version 00 that says more", `00-${TRACE}-${SPAN}-01-more`],
    ["of version 00 that ends in a dash", `00-${TRACE}-${SPAN}-01-`],
    ["of a later version, with more that is not behind a dash", `cc-${TRACE}-${SPAN}-01.what`],
    ["of a later version, with flags of three digits", `cc-${TRACE}-${SPAN}-011`],
    // PostHog/posthog-js#4776, MindfulSoftwareLLC/dartastic_opentelemetry_api#91
    ["with a trace in capitals", `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ["with a span in capitals", `00-${TRACE}-${SPAN.toUpperCase()}-01`],
    ["with flags in capitals", `00-${TRACE}-${SPAN}-0A`],
    ["with signs where digits are to be", `00-+f-1${TRACE.slice(4)}-${SPAN}-01`],
    // instana/nodejs#411, open-telemetry/opentelemetry-go#85
    ["of no trace", `00-${"0".repeat(32)}-${SPAN}-01`],
    ["of no span", `00-${TRACE}-${"0".repeat(16)}-01`],
    ["of a later version, of no trace", `cc-${"0".repeat(32)}-${SPAN}-01`],
    // DataDog/dd-trace-dotnet#3491
    ["that is too short by a digit", `00-${TRACE}-${SPAN}-0`],
    ["with dashes elsewhere", `00-${TRACE}0-${SPAN.slice(1)}-01`],
    ["with a trace that is too short", `00-${TRACE.slice(1)}-${SPAN}-01`],
    ["with a span that is too long", `00-${TRACE}-${SPAN}0-01`],
    ["with a trace that has other characters", `00-${TRACE.slice(1)}z-${SPAN}-01`],
    ["without flags", `00-${TRACE}-${SPAN}`],
    ["with flags that have other characters", `00-${TRACE}-${SPAN}-.0`],
    // DataDog/dd-trace-js#4579: that a browser's library had sent more than once.
    ["that is there twice", `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`],
    ["that is there twice, empty once", `, 00-${TRACE}-${SPAN}-01`],
    ["of a later version, that is there twice", `cc-${TRACE}-${SPAN}-01-more, cc-${TRACE}-${SPAN}-01`],
    ["with a blank before it", ` 00-${TRACE}-${SPAN}-01`],
    ["with a line's end", `00-${TRACE}-${SPAN}-01\n`],
    ["of a later version, with a line's end", `cc-${TRACE}-${SPAN}-01-a\nb`],
    ["with quotes", `"00-${TRACE}-${SPAN}-01"`],
    ["of digits that are not ASCII's", `00-${"٣".repeat(32)}-${SPAN}-01`],
    ["of something else", `00-${"é".repeat(32)}-${SPAN}-01`],
    ["that is very long", `00-${"a".repeat(100_000)}-${SPAN}-01`],
  ])("%s", (_, header) => {
    expect(traceParentOf(header)).toBeUndefined();
    expect(traceIdOf(header)).toBeUndefined();
  });
});
