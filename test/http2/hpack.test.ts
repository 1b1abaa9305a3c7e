import { describe, expect, test } from "vitest";
import { ConnectionError, ErrorCode } from "../../src/http2/codes.ts";
import { Decoder, type FieldSink } from "../../src/http2/hpack/decoder.ts";
import { integer } from "./wire.ts";

/** The fields of a block, a line each; "!" before one that HTTP does not allow. */
function decoded(decoder: Decoder, block: Buffer): string[] {
  const lines: string[] = [];
  const sink: FieldSink = {
    add: (name, value, _, valid) => void lines.push(`${valid ? "" : "!"}${name}: ${value}`),
  };
  const around = Buffer.concat([Buffer.from("ab"), block, Buffer.from("cd")]);
  decoder.decode(around, 2, 2 + block.length, sink);
  return lines;
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ""), "hex");
}

function codeOf(act: () => unknown): number {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(ConnectionError);
    return (error as ConnectionError).code;
  }
  throw new Error("it was taken");
}

describe("RFC 7541, appendix C", () => {
  test.each([
    [
      "C.2.1",
      "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
      "custom-key: custom-header",
      55,
    ],
    ["C.2.2", "040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path", 0],
    ["C.2.3", "1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret", 0],
    ["C.2.4", "82", ":method: GET", 0],
  ])("%s", (_, block, field, tableBytes) => {
    const decoder = new Decoder();
    expect(decoded(decoder, hex(block))).toEqual([field]);
    expect(decoder.tableBytes).toBe(tableBytes);
  });

  const REQUESTS = [
    [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"],
    [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com", "cache-control: no-cache"],
    [
      ":method: GET",
      ":scheme: https",
      ":path: /index.html",
      ":authority: www.example.com",
      "custom-key: custom-value",
    ],
  ];
  test.each([
    [
      "C.3, without Huffman",
      [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
      ],
    ],
    [
      "C.4, with Huffman",
      [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
      ],
    ],
  ])("%s: requests of one connection", (_, blocks) => {
    const decoder = new Decoder();
    const tables = blocks.map((block, index) => {
      expect(decoded(decoder, hex(block))).toEqual(REQUESTS[index]);
      return decoder.tableBytes;
    });
    expect(tables).toEqual([57, 110, 164]);
  });

  const DATE = "date: Mon, 21 Oct 2013 20:13";
  const ANSWERS = [
    [":status: 302", "cache-control: private", `${DATE}:21 GMT`, "location: https://www.example.com"],
    [":status: 307", "cache-control: private", `${DATE}:21 GMT`, "location: https://www.example.com"],
    [
      ":status: 200",
      "cache-control: private",
      `${DATE}:22 GMT`,
      "location: https://www.example.com",
      "content-encoding: gzip",
      "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    ],
  ];
  test.each([
    [
      "C.5, without Huffman",
      [
        `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d
         546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
        "4803 3330 37c1 c0bf",
        `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f
         6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b
         2076 6572 7369 6f6e 3d31`,
      ],
    ],
    [
      "C.6, with Huffman",
      [
        `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7
         8f0b 97c8 e9ae 82ae 43d3`,
        "4883 640e ffc1 c0bf",
        `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335
         dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
      ],
    ],
  ])("%s: answers, in a table of 256 bytes that evicts", (_, blocks) => {
    const decoder = new Decoder();
    const tables = blocks.map((block, index) => {
      const resize = index === 0 ? integer(0x20, 5, 256) : Buffer.alloc(0);
      expect(decoded(decoder, Buffer.concat([resize, hex(block)]))).toEqual(ANSWERS[index]);
      return decoder.tableBytes;
    });
    expect(tables).toEqual([222, 222, 215]);
  });
});

describe("the dynamic table", () => {
  const field = (name: string, value: string) =>
    Buffer.concat([
      Buffer.from([0x40]),
      integer(0, 7, name.length),
      Buffer.from(name),
      integer(0, 7, value.length),
      Buffer.from(value),
    ]);

  test("an entry that is larger than it empties it (section 4.4)", () => {
    const decoder = new Decoder();
    decoded(decoder, field("a", "b"));
    expect(decoded(decoder, field("c", "d".repeat(4_096)))).toHaveLength(1);
    expect(decoder.tableBytes).toBe(0);
    expect(codeOf(() => decoded(decoder, integer(0x80, 7, 62)))).toBe(ErrorCode.COMPRESSION_ERROR);
  });

  test("an entry may be of the size that it has room for, and one more evicts it", () => {
    const decoder = new Decoder();
    const whole = "d".repeat(4_096 - 32 - 1);
    decoded(decoder, field("c", whole));
    expect(decoder.tableBytes).toBe(4_096);
    expect(decoded(decoder, integer(0x80, 7, 62))).toEqual([`c: ${whole}`]);
    decoded(decoder, field("", "")); // The smallest.
    expect(decoder.tableBytes).toBe(32);
  });

  test("128 of the smallest fill it, in the order of their age", () => {
    const decoder = new Decoder();
    for (let n = 0; n < 300; n++) decoded(decoder, field("", ""));
    expect(decoder.tableBytes).toBe(4_096);
    decoded(decoder, field("x", "1"));
    decoded(decoder, field("y", "2"));
    expect(decoded(decoder, Buffer.from([0x80 | 62, 0x80 | 63]))).toEqual(["y: 2", "x: 1"]);
    expect(codeOf(() => decoded(decoder, integer(0x80, 7, 62 + 128)))).toBe(ErrorCode.COMPRESSION_ERROR);
  });

  test("a name out of it may be evicted by the field that has it", () => {
    const decoder = new Decoder();
    decoded(decoder, field("name", "x".repeat(4_096 - 32 - 4)));
    expect(decoded(decoder, Buffer.concat([integer(0x40, 6, 62), Buffer.from("\x02yz")]))).toEqual([
      "name: yz",
    ]);
    expect(decoder.tableBytes).toBe(4 + 2 + 32);
  });

  test("its size is changed before all fields, any number of times (section 4.2)", () => {
    const decoder = new Decoder();
    decoded(decoder, field("a", "b"));
    expect(decoded(decoder, Buffer.concat([hex("20 3fe11f"), field("c", "d")]))).toEqual(["c: d"]);
    expect(decoder.tableBytes).toBe(34);
  });

  test("what it takes in that HTTP does not allow stays so when it is referred to", () => {
    const decoder = new Decoder();
    const broken = [field("a", "b\r\nc: d"), field("A", "b"), field("", "b")];
    for (const block of broken) decoded(decoder, block);
    expect(decoded(decoder, Buffer.from([0x80 | 64, 0x80 | 63, 0x80 | 62]))).toEqual([
      "!a: b\r\nc: d",
      "!A: b",
      "!: b",
    ]);
    // A name alone that is allowed is.
    expect(decoded(decoder, Buffer.concat([integer(0x00, 4, 64), Buffer.from("\x01e")]))).toEqual(["a: e"]);
    expect(decoded(decoder, Buffer.concat([integer(0x00, 4, 63), Buffer.from("\x01e")]))).toEqual(["!A: e"]);
  });
});

test.each([
  ["index 0", "80"],
  ["an index in no table", "be"],
  ["a name in no table", "7e 01 61"],
  ["an index far beyond", "ff ff ff ff 7f"],
  ["a string cut short", "00 05 61"],
  ["a string without its length", "00"],
  ["a value cut short", "00 01 61 02 62"],
  ["a value that is missing", "00 01 61"],
  ["an integer cut short", "ff"],
  ["an integer cut short behind more", "ff 80 80"],
  ["an integer of six octets", "ff 80 80 80 80 80 01"],
  ["a string of 2^28 octets", "00 7f 80 80 80 80 01"],
  ["a table larger than 4,096", "3f e2 1f"],
  ["a table's size behind a field", "82 20"],
  ["EOS in Huffman", "00 84 ff ff ff ff 00"],
  ["padding of eight bits", "00 82 07 ff 00"], // "0" has 00000.
  ["padding of zeros", "00 81 00 00"],
  ["padding that is not all ones", "00 81 1e 00"], // "a" has 00011.
])("a block with %s ends the connection", (_, block) => {
  expect(codeOf(() => decoded(new Decoder(), hex(block)))).toBe(ErrorCode.COMPRESSION_ERROR);
});

test("a field value may have octets above 127, and neither controls nor blanks around it", () => {
  const decoder = new Decoder();
  const value = (octets: string) =>
    Buffer.concat([Buffer.from("\x00\x01a"), integer(0, 7, octets.length), Buffer.from(octets, "latin1")]);
  const allowed = ["", "x", "a b\tc", "\x80\xff", "!~"];
  expect(allowed.map((octets) => decoded(decoder, value(octets)))).toEqual(
    allowed.map((octets) => [`a: ${octets}`]),
  );
  const refused = [" x", "x ", "\tx", "x\t", " ", "a\0b", "a\nb", "a\rb", "\r\n", "\x01", "a\x1fb", "a\x7fb"];
  expect(refused.map((octets) => decoded(decoder, value(octets)))).toEqual(
    refused.map((octets) => [`!a: ${octets}`]),
  );
});

test("a field name is a token without capitals", () => {
  const decoder = new Decoder();
  const name = (octets: string) =>
    Buffer.concat([
      Buffer.from([0]),
      integer(0, 7, octets.length),
      Buffer.from(octets, "latin1"),
      Buffer.from("\x01x"),
    ]);
  for (const octets of ["a", "x-y_z", "!#$%&'*+-.^_`|~09", ":a"]) {
    expect(decoded(decoder, name(octets))).toEqual([`${octets}: x`]);
  }
  for (const octets of ["", ":", "A", "a b", "a:", "::a", "a\n", "a\0", "\xe4", "a,b", "(a)"]) {
    expect(decoded(decoder, name(octets))).toEqual([`!${octets}: x`]);
  }
});

test("whether the table stayed as it was is told", () => {
  const decoder = new Decoder();
  const sink: FieldSink = { add() {} };
  const unchanged = (block: Buffer) => decoder.decode(block, 0, block.length, sink);
  expect(unchanged(hex("82"))).toBe(true);
  expect(unchanged(hex("00 01 61 01 62"))).toBe(true);
  expect(unchanged(hex("10 01 61 01 62"))).toBe(true);
  expect(unchanged(hex("40 01 61 01 62"))).toBe(false);
  expect(unchanged(hex("be"))).toBe(true);
  expect(unchanged(hex("20 82"))).toBe(false);
});
