/**
 * Goal: what a message may have is judged as soon as it is known how large it is: by the length that is announced, by the frame
 * in front of it, by what has come; and the limit that is told is the one that holds.
 *
 * Method: bodies that announce more than they may, and never come; frames and bodies without an announced length that never end.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Opened, open } from "../../transports/door.ts";
import type { Got } from "../../transports/http.ts";
import { authorise, DOORS, EXPECTING, everywhere, headOf } from "./head-alone.ts";

let opened: Opened;
beforeAll(async () => {
  opened = await open({ authorise });
});
afterAll(() => opened[Symbol.asyncDispose]());

describe("of a body that is announced to be too large, by the head alone", () => {
  const TEXT = 4 * 2 ** 20;
  const METHOD = 64 * 1024;
  /** The longest body that each door lets come of a method that is as good as any other, and what it says that is. */
  const LONGEST: Readonly<Record<string, readonly [body: number, max: number]>> = {
    REST: [TEXT, TEXT],
    "the short paths": [TEXT, TEXT],
    "Connect, JSON": [TEXT, TEXT], // As text: what it becomes is told when it is there.
    "Connect, Protobuf": [METHOD, METHOD],
    "gRPC-Web": [METHOD + 5, METHOD],
    "REST, a stream": [METHOD, METHOD],
  };
  const lengths = (bytes: number) => ({ "content-length": `${bytes}` });

  it.each(Object.entries(LONGEST))("%s", async (name, [body, max]) => {
    for (const over of [1, 99_999_999 - body]) {
      const size = max + over; // Without what stands in front of it.
      for (const more of [{}, EXPECTING]) {
        const asked = headOf(DOORS[name]!, {}, { ...lengths(body + over), ...more });
        const answers = await everywhere(opened.door.port, asked);
        for (const { told, got } of answers) {
          expect(told).toEqual({ said: "MESSAGE_TOO_LARGE", wentOn: false });
          expect(sizesIn(got)).toBe(`The message has ${size} bytes and this method accepts ${max};`);
        }
        expect(answers[0]).toMatchObject({ ends: more === EXPECTING }); // The rest is dropped as it comes.
      }
    }
  });

  it("what a batch takes is more", async () => {
    const path = "/tally.v1.CounterService/BatchApply";
    for (const name of ["Connect, Protobuf", "gRPC-Web"]) {
      const asked = headOf(DOORS[name]!, { path }, lengths(99_999_999));
      for (const { got } of await everywhere(opened.door.port, asked))
        expect(sizesIn(got)).toMatch(` this method accepts ${TEXT};`);
    }
  });
});

function sizesIn({ bytes, headers }: Got): string | undefined {
  const text = decodeURIComponent(`${headers["grpc-message"] ?? bytes.toString("latin1")}`);
  return /The message (?:has \d+ bytes and|is above).*?;/.exec(text)?.[0];
}

describe("of a frame of gRPC-Web, by its first five bytes", () => {
  const head = (flags: number, size: number) => {
    const bytes = Buffer.from([flags, 0, 0, 0, 0]);
    bytes.writeUInt32BE(size, 1);
    return bytes;
  };

  it.each<[string, Buffer[], string]>([
    ["that announce too much", [head(0, 65_537)], "MESSAGE_TOO_LARGE"],
    ["that announce all there can be", [head(0, 2 ** 32 - 1)], "MESSAGE_TOO_LARGE"],
    ["that come one by one", [...head(0, 4_000_000)].map((byte) => Buffer.from([byte])), "MESSAGE_TOO_LARGE"],
    ["that are none", [head(2, 3)], "MALFORMED_MESSAGE"],
    ["that announce compression, nobody knows how", [head(1, 3)], "COMPRESSION_UNSAID"],
    ["that announce less than there is", [head(0, 3), Buffer.alloc(4)], "NOT_ONE_MESSAGE"],
  ])("%s", async (_, pieces, said) => {
    const { "content-length": _length, ...headers } = headOf(DOORS["gRPC-Web"]!).headers; // And without an end.
    for (const { told } of await everywhere(opened.door.port, {
      method: "POST",
      path: DOORS["gRPC-Web"]!.path,
      headers,
      pieces,
    }))
      expect(told.said).toBe(said);
  });
});

it("of a body without an announced length, by what has come", async () => {
  const door = DOORS["Connect, Protobuf"]!;
  const { "content-length": _, ...headers } = headOf(door).headers;
  const pieces = [Buffer.alloc(40_000), Buffer.alloc(25_537)];
  for (const { told, got } of await everywhere(opened.door.port, {
    method: "POST",
    path: door.path,
    headers,
    pieces,
  })) {
    expect(told.said).toBe("MESSAGE_TOO_LARGE");
    expect(sizesIn(got)).toBe("The message is above the 65536 bytes that this method accepts;");
  }
});
