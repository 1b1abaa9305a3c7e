/** Random Protobuf bytes: mostly right, and wrong in every way that encoders and attackers have. */
import { fc } from "@fast-check/vitest";
import { INT64_MAX, INT64_MIN } from "../../src/core/int64.ts";

export type Bytes = readonly number[];

/** A varint, padded to a number of bytes if that is more than it needs. */
export function varint(value: bigint | number, bytes = 1): number[] {
  let rest = BigInt.asUintN(64, BigInt(value));
  const out: number[] = [];
  while (rest >= 0x80n) {
    out.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  out.push(Number(rest));
  while (out.length < bytes) {
    out[out.length - 1]! |= 0x80;
    out.push(0);
  }
  return out;
}

export function tag(field: number, wireType: number, bytes = 1): number[] {
  return varint(field * 8 + wireType, bytes);
}

export function lengthDelimited(field: number, value: Bytes, lengthBytes = 1): number[] {
  return [...tag(field, 2), ...varint(value.length, lengthBytes), ...value];
}

export function text(field: number, value: string): number[] {
  return lengthDelimited(field, [...Buffer.from(value)]);
}

/** One time in ten. */
function seldom<T, N>(arbitrary: fc.Arbitrary<T>, otherwise: N): fc.Arbitrary<T | N> {
  return fc.oneof({ weight: 1, arbitrary }, { weight: 9, arbitrary: fc.constant(otherwise) });
}

const NOTHING: fc.Arbitrary<Bytes> = fc.constant([]);

const int64 = fc.oneof(
  { weight: 4, arbitrary: fc.bigInt(1n, 300n) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(0n, -1n, INT64_MAX, INT64_MIN, 2n ** 31n, 2n ** 32n, -(2n ** 32n)),
  },
  { weight: 1, arbitrary: fc.bigInt(INT64_MIN, INT64_MAX) },
);

/** A number as its varint, now and then longer than it must be or with bits beyond the 64th. */
const number = fc.oneof(
  { weight: 8, arbitrary: int64.map((value) => varint(value)) },
  {
    weight: 1,
    arbitrary: fc.tuple(int64, fc.integer({ min: 1, max: 10 })).map(([v, bytes]) => varint(v, bytes)),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 0, max: 0x7f }).map((last) => [...Array<number>(9).fill(0x80), last]),
  },
);

const bool = fc.oneof({ weight: 6, arbitrary: fc.constantFrom([1], [0]) }, { weight: 1, arbitrary: number });

function texts(...odd: string[]): fc.Arbitrary<Bytes> {
  return fc.oneof(
    { weight: 40, arbitrary: fc.constantFrom("a", "shop.page-views", "x".repeat(64), ...odd).map(utf8) },
    {
      weight: 1,
      arbitrary: fc.constantFrom("", "é", "a b", "a\u0000", "\u{feff}a", "日本", "~", "!").map(utf8),
    },
    { weight: 1, arbitrary: fc.constantFrom([0xff], [0xc3], [0xed, 0xa0, 0x80], [0x61, 0xc0, 0x80]) },
    { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 220 }).map((s) => [...Buffer.from(s)]) },
  );
}

function utf8(value: string): Bytes {
  return [...Buffer.from(value)];
}

/** A field that no message of ours has, or a known number with any wire type. */
const odd: fc.Arbitrary<Bytes> = fc.oneof(
  fc.tuple(fc.integer({ min: 9, max: 5_000 }), number).map(([field, value]) => [...tag(field, 0), ...value]),
  fc.tuple(fc.integer({ min: 9, max: 40 }), texts()).map(([field, value]) => lengthDelimited(field, value)),
  fc.integer({ min: 9, max: 40 }).map((field) => [...tag(field, 1), 1, 2, 3, 4, 5, 6, 7, 8]),
  fc.integer({ min: 9, max: 40 }).map((field) => [...tag(field, 5), 1, 2, 3, 4]),
  fc.integer({ min: 9, max: 40 }).map((f) => [...tag(f, 3), ...tag(1, 0), 7, ...tag(f, 4)]), // A group.
  fc
    .tuple(fc.integer({ min: 9, max: 40 }), fc.integer({ min: 1, max: 40 }))
    .map(([open, close]) => [...tag(open, 3), ...tag(close, 4)]),
);

const broken: fc.Arbitrary<Bytes> = fc.oneof(
  fc
    .tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 7 }))
    .map(([f, w]) => [...tag(f, w), 1, 1]),
  fc.integer({ min: 2, max: 7 }).map((bytes) => [...tag(1, 2, bytes), 1, 0x61]),
  fc.integer({ min: 2, max: 7 }).map((bytes) => lengthDelimited(1, [0x61], bytes)),
  fc.constantFrom([0x80], [...Array<number>(10).fill(0xff), 1], [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]),
);

const name = texts("n".repeat(128), "n".repeat(200), "n".repeat(201), "-a", "a-");
const etag = texts("e".repeat(65), "01920000-0000-7000-8000-000000000000.1");
const note = texts("why", "ü".repeat(100), "ü".repeat(101), "");

const action = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(fc.constantFrom(2, 3, 4), number).map(([f, value]) => [...tag(f, 0), ...value]),
  },
  { weight: 2, arbitrary: bool.map((value) => [...tag(5, 0), ...value]) },
);
const nameField = name.map((value) => lengthDelimited(1, value));
const mustExist = bool.map((value) => [...tag(6, 0), ...value]);
const etagField = etag.map((value) => lengthDelimited(7, value));
const noteField = note.map((value) => lengthDelimited(8, value));

/** Settings for a counter that is made: now and then none, or not in order. */
const ifMissing = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: settingOf(fc.integer({ min: 20, max: 24 })) },
      { weight: 1, arbitrary: fc.constantFrom([...tag(32, 0, 2), 0], text(26, "why"), []) },
    ),
    { maxLength: 3 },
  )
  .map((fields) => lengthDelimited(9, fields.flat()));

function settingOf(field: fc.Arbitrary<number>): fc.Arbitrary<Bytes> {
  return fc.tuple(field, number).map(([f, value]) => [...tag(f, 0), ...value]);
}

/** The bytes of an Operation. */
export const operationBytes: fc.Arbitrary<Bytes> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.tuple(nameField, action, seldom(mustExist, [])).map((fields) => fields.flat()),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        nameField,
        action,
        fc.oneof(etagField, NOTHING),
        fc.oneof(noteField, NOTHING),
        seldom(ifMissing, []),
      )
      .map((fields) => fields.flat()),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(nameField, action, seldom(mustExist, []), ifMissing).map((fields) => fields.flat()),
  },
  {
    weight: 2,
    arbitrary: fc
      .array(fc.oneof(nameField, action, mustExist, etagField, noteField, ifMissing, odd), { maxLength: 6 })
      .map((fields) => fields.flat()),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(nameField, action, fc.oneof(odd, broken)).map((fields) => fields.flat()),
  },
);

const requestId = texts("0192aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee", "i".repeat(65)).map((v) =>
  lengthDelimited(2, v),
);

/** The bytes of a BatchApplyRequest, now and then damaged. */
export const batchBytes: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    fc.array(
      fc.oneof(
        { weight: 20, arbitrary: operationBytes.map((operation) => lengthDelimited(1, operation)) },
        { weight: 2, arbitrary: requestId },
        { weight: 1, arbitrary: bool.map((value) => [...tag(3, 0), ...value]) },
        { weight: 1, arbitrary: odd },
      ),
      { maxLength: 4 },
    ),
    seldom(broken, []),
    seldom(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 2)), undefined),
  )
  .map(([fields, tail, damage]) => damaged([...fields.flat(), ...tail], damage));

const second = number.map((value) => [...tag(2, 0), ...value]);
const third = etag.map((value) => lengthDelimited(3, value));
const fourth = bool.map((value) => [...tag(4, 0), ...value]);
const map = fc
  .tuple(note, note)
  .map(([key, value]) => lengthDelimited(25, [...lengthDelimited(1, key), ...lengthDelimited(2, value)]));
const settings = settingOf(fc.integer({ min: 20, max: 24 }));
const fifth = etag.map((value) => lengthDelimited(5, value));
const sixth = note.map((value) => lengthDelimited(6, value));

/** The bytes of a request about one counter (Increment, Set, CreateCounter and so on), now and then damaged. */
export const changeBytes: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.tuple(
          nameField,
          fc.oneof(second, NOTHING),
          fc.oneof(third, NOTHING),
          seldom(fourth, []),
        ),
      },
      { weight: 1, arbitrary: fc.tuple(nameField, fc.oneof(second, NOTHING), ifMissing) },
      {
        weight: 3,
        arbitrary: fc.array(
          fc.oneof(nameField, second, third, fourth, fifth, sixth, ifMissing, settings, map, odd),
          { maxLength: 4 },
        ),
      },
    ),
    seldom(broken, []),
    seldom(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 2)), undefined),
  )
  .map(([fields, tail, damage]) => damaged([...fields.flat(), ...tail], damage));

function damaged(bytes: number[], damage: readonly [number, number, number] | undefined): Uint8Array {
  if (damage !== undefined && bytes.length > 0) {
    const [at, byte, remove] = damage;
    bytes.splice(at % bytes.length, remove, byte);
  }
  return Uint8Array.from(bytes);
}
