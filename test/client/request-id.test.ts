import { fc, test } from "@fast-check/vitest";
import { parse, validate, version } from "uuid";
import { expect, it } from "vitest";
import { requestId } from "../../src/client/request-id.ts";

const time = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const random = fc.uint8Array({ minLength: 16, maxLength: 16 });

test.prop([time, random])(
  "is a UUID of version 7 with the time and the random bits in it",
  (nowMs, bytes) => {
    const id = requestId(nowMs, Buffer.from(bytes));
    expect([validate(id), version(id)]).toEqual([true, 7]);
    const written = Buffer.from(parse(id));
    expect(written.readUIntBE(0, 6)).toBe(nowMs);
    expect(written[6]! & 0x0f).toBe(bytes[6]! & 0x0f);
    expect(written[8]! & 0x3f).toBe(bytes[8]! & 0x3f);
    expect([written[7], ...written.subarray(9)]).toEqual([bytes[7], ...bytes.subarray(9)]);
  },
);

test.prop([time, time, random, random])("comes after those of earlier milliseconds", (one, other, a, b) => {
  const [first, second] = [requestId(one, Buffer.from(a)), requestId(other, Buffer.from(b))];
  if (one !== other) expect(first < second).toBe(one < other);
});

it("leaves the random bytes as they were", () => {
  const bytes = Buffer.alloc(16, 0xff);
  requestId(0, bytes);
  expect(bytes).toEqual(Buffer.alloc(16, 0xff));
});
