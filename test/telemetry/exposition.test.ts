import { fc, test } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { expositionOf } from "../../src/telemetry/exposition.ts";
import { type Family, placed, placeOf } from "../../src/telemetry/family.ts";
import { parseExposition } from "../support/exposition.ts";

const text = fc.string({ unit: fc.constantFrom("a", "é", '"', "\\", "\n", "{", "}", ",", "=", " ", "#") });
const values = fc.uniqueArray(text, { minLength: 1, maxLength: 3 });
const labels = fc.dictionary(fc.constantFrom("rpc", "door", "code"), values, { maxKeys: 3 });
const bounds = fc
  .uniqueArray(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 5 })
  .map((all) => all.sort((a, b) => a - b).map((each) => each / 100));
const count = fc.oneof(fc.constant(0), fc.nat(1_000), fc.constantFrom(2 ** 53 - 1, 2 ** 70));

/** A family by its name, and numbers for all of its children. */
const family = (name: string) =>
  fc.record({
    name: fc.constant(name),
    kind: fc.constantFrom("counter", "gauge", "histogram" as const),
    help: text,
    labels,
    atZero: fc.constantFrom("all", "none" as const),
    bounds,
  }) as fc.Arbitrary<Family>;

test.prop([
  fc.tuple(family("tally_a_total"), family("tally_b"), family("tally_c_seconds")),
  fc.array(count, { minLength: 1 }),
])("what is told is what was counted, whatever stands in labels and help", (families, numbers) => {
  const { places, size } = placed(families);
  const all = Array.from({ length: size }, (_, i) => numbers[i % numbers.length]!);
  const told = parseExposition(expositionOf(places, (place) => all[place]!));
  const expected = places.flatMap((place) => {
    const { family, width } = place;
    const samples = childrenOf(family).flatMap((labels) => {
      const at = placeOf(place, labels);
      const own = all.slice(at, at + width);
      if (own.every((each) => each === 0) && family.atZero === "none") return [];
      return family.kind === "histogram"
        ? histogramOf(family, labels, own)
        : [{ name: family.name, labels, value: own[0]! }];
    });
    return samples.length === 0 ? [] : [{ name: family.name, help: family.help, type: family.kind, samples }];
  });
  expect(told).toEqual(expected);
});

/** Every combination of labels, the last going round first. */
function childrenOf({ labels }: Family): Record<string, string>[] {
  return Object.entries(labels).reduce<Record<string, string>[]>(
    (children, [label, values]) =>
      children.flatMap((child) => values.map((value) => ({ ...child, [label]: value }))),
    [{}],
  );
}

function histogramOf({ name, bounds }: Family, labels: Record<string, string>, own: readonly number[]) {
  const upTo = (last: number) => own.slice(0, last + 1).reduce((sum, each) => sum + each, 0);
  const edges = [...bounds.map((bound) => `${bound}`), "+Inf"];
  return [
    ...edges.map((le, i) => ({ name: `${name}_bucket`, labels: { ...labels, le }, value: upTo(i) })),
    { name: `${name}_sum`, labels, value: own.at(-1)! },
    { name: `${name}_count`, labels, value: upTo(bounds.length) },
  ];
}

it("is told as this", () => {
  const base = { kind: "counter", help: "Some.", labels: {}, atZero: "all", bounds: [] } as const;
  const { places } = placed([
    { ...base, name: "tally_a_total", labels: { door: ["grpc", "rest"] }, atZero: { door: ["grpc"] } },
    { ...base, name: "tally_b_seconds", kind: "histogram", bounds: [0.5, 1] },
    { ...base, name: "tally_c", kind: "gauge", atZero: "none" },
  ]);
  const numbers = [0, 0, 1, 2, 0, 3.25, 0];
  expect(expositionOf(places, (place) => numbers[place]!)).toBe(
    `# HELP tally_a_total Some.
# TYPE tally_a_total counter
tally_a_total{door="grpc"} 0
# HELP tally_b_seconds Some.
# TYPE tally_b_seconds histogram
tally_b_seconds_bucket{le="0.5"} 1
tally_b_seconds_bucket{le="1"} 3
tally_b_seconds_bucket{le="+Inf"} 3
tally_b_seconds_sum 3.25
tally_b_seconds_count 3
`,
  );
});
