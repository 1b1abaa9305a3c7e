/** When max is met, as the page says it: by the rule that `tally get -o wide` goes by (src/core/pace.ts). */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, it } from "vitest";
import { CounterSchema } from "../../gen/browser/tally/v1/counter_pb.ts";
import { outlookText } from "../../src/console/outlook.ts";
import { whenText } from "../../src/console/times.ts";

const MINUTE = 60_000;
const NOW = Date.UTC(2026, 0, 1, 12, 3);

function outlook({
  ageMinutes,
  moved,
  windowEnd,
}: {
  ageMinutes: number;
  moved: bigint;
  windowEnd?: number;
}) {
  const point = {
    start: new Date(NOW - 3 * MINUTE),
    ...{ added: moved > 0n ? moved : 0n, removed: moved < 0n ? -moved : 0n },
  };
  const counter = create(CounterSchema, {
    ...{ max: 100n, value: 10n, createTime: timestampFromMs(NOW - ageMinutes * MINUTE) },
    ...(windowEnd !== undefined && { windowEnd: timestampFromMs(windowEnd) }),
  });
  return outlookText(counter, { range: "day", points: [point] }, new Date(NOW));
}

it("is said by how old a counter is, in words where it is not met", () => {
  const said = "At the pace of the last day, its maximum of 100 is ";
  const at = (minutes: number) =>
    `${said}met at ${whenText(new Date(NOW + minutes * MINUTE), new Date(NOW))}.`;
  expect(outlook({ ageMinutes: 600, moved: 10n })).toBe(at(27));
  expect(outlook({ ageMinutes: 1, moved: 10n })).toBe(at(9));
  expect(outlook({ ageMinutes: 600, moved: -10n })).toBe(`${said}not met.`);
  expect(outlook({ ageMinutes: 600, moved: 10n, windowEnd: NOW + MINUTE })).toBe(
    `${said}not met before its window ends.`,
  );
});
