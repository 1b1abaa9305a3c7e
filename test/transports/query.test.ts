/** Query strings as messages: what no path of today has, a path of tomorrow may. */
import { describe, expect, it } from "vitest";
import {
  BatchGetCountersRequestSchema,
  CreateCounterRequestSchema,
  UpdateCounterRequestSchema,
} from "../../gen/tally/v1/counter_service_pb.ts";
import { readQuery } from "../../src/transports/rest/query.ts";

describe("a query", () => {
  it("has a repeated field as often as it has values, in their order", () => {
    expect(readQuery(BatchGetCountersRequestSchema, "names=b&names=a&names=b&names=")).toEqual({
      json: { names: ["b", "a", "b", ""] },
    });
  });

  it("has true and false for a boolean, and the rest as text for its field to judge", () => {
    expect(readQuery(CreateCounterRequestSchema, "monotonic=true&name=true&value=1e2")).toEqual({
      json: { monotonic: true, name: "true", value: "1e2" },
    });
  });

  it("has a mask as one text", () => {
    expect(readQuery(UpdateCounterRequestSchema, "update_mask=min,onBound")).toEqual({
      json: { updateMask: "min,onBound" },
    });
  });

  it("has any key of a map, those of JavaScript's own objects too", () => {
    const read = readQuery(
      CreateCounterRequestSchema,
      "labels.__proto__=a&labels.x.y=b&labels.constructor=c",
    );
    const { labels } = (read as { json: { labels: Record<string, string> } }).json;
    expect(Object.entries(labels)).toEqual([
      ["__proto__", "a"],
      ["x.y", "b"],
      ["constructor", "c"],
    ]);
  });

  it("has no field of a message in a field", () => {
    expect(readQuery(UpdateCounterRequestSchema, "update_mask.paths=min")).toMatchObject({
      code: "INVALID_FIELD",
      field: "update_mask.paths",
    });
  });
});
