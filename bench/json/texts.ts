import type { DescMessage } from "@bufbuild/protobuf";
import {
  BatchApplyRequestSchema,
  BatchGetCountersRequestSchema,
  CreateCounterRequestSchema,
  IncrementRequestSchema,
  UpdateCounterRequestSchema,
} from "../../gen/tally/v1/counter_service_pb.ts";

/** A body of JSON, and what it is to be a request of. */
export type Text = { what: string; schema: DescMessage; text: Buffer };

/** batch-bytes-max as it is by default. */
const BODY_BYTES = 4 * 2 ** 20;

/** As clients send them. */
export const REQUESTS: readonly Text[] = [
  request("BatchApply, 8,000 operations of a name and an increment", BatchApplyRequestSchema, {
    operations: operations((i) => ({ increment: `${i}` })),
  }),
  request("BatchApply, 8,000 operations with each field", BatchApplyRequestSchema, {
    operations: operations((i) => ({
      set: `${i}`,
      mustExist: true,
      etag: "01890a5d-ac96-774b-bcce-b302099a8057.4",
      note: "corrected by hand",
    })),
  }),
  request("BatchGetCounters, 1,000 names", BatchGetCountersRequestSchema, {
    names: Array.from({ length: 1_000 }, (_, i) => `counter-${i}`),
  }),
  request("CreateCounter, 32 labels", CreateCounterRequestSchema, {
    name: "seats",
    max: "100",
    labels: Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`label-${i}`, `value ${i}`])),
  }),
  request("Increment, an amount", IncrementRequestSchema, { name: "seats", amount: "1" }),
];

/** As large as a body may be, and nothing that a client would send. */
export const ATTACKS: readonly Text[] = [
  filled("operations that are {}", BatchApplyRequestSchema, '{"operations":[', () => "{}", "]}"),
  filled("the same, unfinished", BatchApplyRequestSchema, '{"operations":[', () => "{}", ""),
  filled("operations that are numbers", BatchApplyRequestSchema, '{"operations":[', () => "0", "]}"),
  filled("one in another, 30 levels", BatchApplyRequestSchema, '{"operations":[', () => nested(29), "]}"),
  whole("one in another, without end", BatchApplyRequestSchema, "[".repeat(BODY_BYTES)),
  filled("different keys in one object", IncrementRequestSchema, "{", (i) => `"${i}":1`, "}"),
  filled("keys in as many objects", BatchApplyRequestSchema, '{"operations":[', () => '{"a":1}', "]}"),
  filled(
    "two keys with escapes in each",
    BatchApplyRequestSchema,
    '{"operations":[',
    () => '{"\\n":1,"\\t":1}',
    "]}",
  ),
  filled("labels", CreateCounterRequestSchema, '{"labels":{', (i) => `"${i}":""`, "}}"),
  filled("one key again and again", IncrementRequestSchema, "{", () => '"name":"a"', "}"),
  filled("names with an escape", BatchGetCountersRequestSchema, '{"names":[', () => '"\\n"', "]}"),
  whole("a text of escapes", CreateCounterRequestSchema, '{"description":"', "\\u20ac", '"}'),
  whole("a number of digits", IncrementRequestSchema, '{"amount":', "1", "}"),
  whole("a mask of paths", UpdateCounterRequestSchema, '{"updateMask":"a', ",A", '"}'),
  whole("white space", IncrementRequestSchema, '{"name":', " ", '"a"}'),
  whole("a key", IncrementRequestSchema, '{"', "k", '":1}'),
];

function request(what: string, schema: DescMessage, json: object): Text {
  return { what, schema, text: Buffer.from(JSON.stringify(json)) };
}

function operations(more: (i: number) => object): object[] {
  return Array.from({ length: 8_000 }, (_, i) => ({ name: `counter-${i % 997}`, ...more(i + 1) }));
}

function nested(levels: number): string {
  return "[".repeat(levels) + "]".repeat(levels);
}

function filled(
  what: string,
  schema: DescMessage,
  head: string,
  item: (i: number) => string,
  tail: string,
): Text {
  const items: string[] = [];
  let bytes = head.length + tail.length;
  for (;;) {
    const next = item(items.length);
    bytes += next.length + 1;
    if (bytes > BODY_BYTES) return { what, schema, text: Buffer.from(`${head}${items.join()}${tail}`) };
    items.push(next);
  }
}

function whole(what: string, schema: DescMessage, head: string, piece = "", tail = ""): Text {
  const times = piece === "" ? 0 : Math.floor((BODY_BYTES - head.length - tail.length) / piece.length);
  return { what, schema, text: Buffer.from(`${head}${piece.repeat(times)}${tail}`) };
}
