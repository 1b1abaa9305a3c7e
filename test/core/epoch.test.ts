import { describe, expect, it } from "vitest";
import type { CatalogueEntry } from "../../src/core/catalogue.ts";
import { etagOf, settingsEtagOf } from "../../src/core/counter.ts";
import { EPOCH_NAME, EPOCH_UNKNOWN, epochIn, newEpoch } from "../../src/core/epoch.ts";

const none = { entries: [], corrupt: [] };

function renewed(source: { entries: readonly CatalogueEntry[] }, ...bytes: number[]) {
  const { epoch, write } = newEpoch(source, Uint8Array.from(bytes));
  const { kind, key, body, expectedVersion } = write;
  return {
    epoch,
    expectedVersion,
    entries: [{ kind, key, body, version: expectedVersion + 7 }],
    corrupt: [],
  };
}

describe("the epoch of a store", () => {
  it("is none until it is given one, and then what was written", () => {
    expect(epochIn(none)).toBeUndefined();
    const first = renewed(none, 0x0a, 0xb1, 0, 0xff);
    expect(first).toMatchObject({ epoch: "0ab100ff", expectedVersion: 0 });
    expect(epochIn(first)).toBe("0ab100ff");
    const second = renewed(first, 1, 2, 3, 4);
    expect(second).toMatchObject({ epoch: "01020304", expectedVersion: 7 });
    expect(epochIn(second)).toBe("01020304");
  });

  it("is never the one before, nor the one that stands for damage", () => {
    const first = renewed(none, 0, 0, 0, 0);
    expect(first.epoch).toBe("00000001");
    expect(renewed(first, 0, 0, 0, 1).epoch).toBe("00000002");
    expect(renewed(renewed(none, 255, 255, 255, 255), 255, 255, 255, 255).epoch).toBe("00000001");
  });

  it("is unknown where its entry is damaged, is not understood, or may be a row of which nobody can say what it is", () => {
    const entry = (body: string) => ({ entries: [{ ...EPOCH_NAME, version: 1, body }], corrupt: [] });
    for (const body of ["", "{}", '{"epoch":"x"}', '{"epoch":"0ab100ff","more":1}', '{"epoch":"0AB100FF"}'])
      expect(epochIn(entry(body)), body).toBe(EPOCH_UNKNOWN);
    for (const kind of ["setting", "sett\u0000ng", ""])
      expect(epochIn({ entries: [], corrupt: [{ kind, key: "x" }] }), kind).toBe(EPOCH_UNKNOWN);
    expect(epochIn({ entries: [], corrupt: [{ kind: "policy", key: "a" }] })).toBeUndefined();
  });

  it("ends etags, which without one are as they always were", () => {
    expect([etagOf("u", 3, undefined), settingsEtagOf("u", 3, undefined)]).toEqual(["u.3", "u.s3"]);
    expect([etagOf("u", 3, "0ab100ff"), settingsEtagOf("u", 3, "0ab100ff")]).toEqual([
      "u.3.0ab100ff",
      "u.s3.0ab100ff",
    ]);
  });
});
