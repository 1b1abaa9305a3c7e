import { fc, test } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { ByteReader, ByteWriter } from "../../src/core/bytes.ts";
import { INT64_MAX, INT64_MIN, UINT64_MAX } from "../../src/core/int64.ts";

const edges = [0n, 1n, 2n ** 30n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 62n, INT64_MAX].flatMap((n) => [
  n - 1n,
  n,
  -n,
  -n - 1n,
]);
const int64 = fc.oneof(
  fc.bigInt(INT64_MIN, INT64_MAX),
  fc.constantFrom(...edges.filter((n) => n >= INT64_MIN && n <= INT64_MAX)),
);
const uint64 = fc.oneof(
  fc.bigInt(0n, UINT64_MAX),
  fc.constantFrom(0n, 127n, 128n, 2n ** 32n - 1n, 2n ** 32n, UINT64_MAX),
);
const uint = fc.oneof(
  fc.nat(),
  fc.maxSafeNat(),
  fc.constantFrom(127, 128, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER),
);

test.prop([fc.array(fc.tuple(int64, uint64, uint, fc.string({ unit: "grapheme" })))])(
  "what is written is read back, and fills the record",
  (rows) => {
    const w = new ByteWriter(1);
    for (const [a, b, c, d] of rows) {
      w.int64(a);
      w.uint64(b);
      w.uint(c);
      w.text(d);
    }
    const r = new ByteReader(w.finish());
    for (const row of rows) expect([r.int64(), r.uint64(), r.uint(), r.text()]).toEqual(row);
    expect(r.done).toBe(true);
  },
);

it("a record that is cut short is noticed", () => {
  const w = new ByteWriter();
  w.text("hello");
  const cut = w.finish().slice(0, 3);
  expect(() => new ByteReader(cut).text()).toThrow(RangeError);
  expect(() => new ByteReader(new Uint8Array()).uint()).toThrow(RangeError);
});
