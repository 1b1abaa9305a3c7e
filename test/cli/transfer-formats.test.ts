/** Files of counters: what is written is read again, whatever is in it, and what cannot be read is told by its line. */

import { create } from "@bufbuild/protobuf";
import { fc, it as property } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import { CalendarUnit, CounterSchema, OnBound } from "../../gen/browser/tally/v1/counter_pb.ts";
import { FILE_END } from "../../src/cli/count/input.ts";
import { fieldsOf, rowText } from "../../src/cli/transfer/csv.ts";
import { FILE_FORMATS, type FileFormat, headOf, lineOf } from "../../src/cli/transfer/formats.ts";
import { UnreadableFile } from "../../src/cli/transfer/parser.ts";
import { type Row, RowReader } from "../../src/cli/transfer/reading.ts";
import { recordOf } from "../../src/cli/transfer/record.ts";

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const text = fc.string({ unit: "grapheme", maxLength: 12 }).map((any) => any.replaceAll("\0", ""));
const counter = fc.record({
  name: fc.stringMatching(/^[!-,.-~][!-~]{0,20}$/),
  value: int64,
  initial: int64,
  min: fc.option(int64, { nil: undefined }),
  max: fc.option(int64, { nil: undefined }),
  onBound: fc.constantFrom(OnBound.REJECT, OnBound.CLAMP),
  monotonic: fc.boolean(),
  labels: fc.dictionary(fc.stringMatching(/^[a-z0-9_.-]{1,5}$/), text, { maxKeys: 3 }),
  description: text,
  history: fc.boolean(),
});

/** The rows of a file that comes in pieces of so many bytes. */
async function rowsOf(
  file: string | Buffer,
  pieceBytes = 7,
  format?: FileFormat,
  prefix = "",
): Promise<Row[]> {
  const bytes = Buffer.from(file as string);
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
    yield FILE_END;
  }
  const rows: Row[] = [];
  for await (const some of new RowReader(format, prefix).rows(chunks())) rows.push(...some);
  return rows;
}

describe("a file of counters", () => {
  property.prop([fc.array(counter, { minLength: 1, maxLength: 5 }), fc.constantFrom(...FILE_FORMATS)])(
    "has every setting of each, exactly, in both formats",
    async (counters, format) => {
      const lines = counters.map((each) => lineOf(format, recordOf(create(CounterSchema, each))));
      const rows = await rowsOf(headOf(format) + lines.join(""));
      expect(rows).toHaveLength(counters.length);
      for (const [i, row] of rows.entries()) {
        const { name, value, ...settings } = counters[i]!;
        expect(row).toMatchObject({ wanted: { name, value } });
        const read =
          "wanted" in row ? create(CounterSchema, { ...row.wanted.settings, name, value } as object) : {};
        expect(read).toMatchObject(create(CounterSchema, { ...settings, name, value }));
      }
    },
  );

  it("has what has parts, too, and passes over what nobody can set", async () => {
    const parts = {
      window: { span: { case: "calendar", value: CalendarUnit.MONTH }, timeZone: "Europe/Berlin", day: 31 },
      refill: { amount: 2n ** 60n, every: { seconds: 1n, nanos: 0 } },
      idleTtl: { seconds: 3_600n, nanos: 0 },
    } as const;
    for (const format of FILE_FORMATS) {
      const record = recordOf(
        create(CounterSchema, { name: "a", uid: "u", revision: 7n, policy: "", ...parts }),
      );
      const [row] = await rowsOf(headOf(format) + lineOf(format, record));
      expect(row).toMatchObject({ wanted: { name: "a", value: 0n, settings: parts } });
    }
  });

  it.each([
    ["a byte order mark and CRLF", "\ufeffname,value\r\nvisits,12\r\n"],
    ["no line end at its end, and empty lines", "\n\nname,value\n\nvisits,12"],
    ["columns in any order, by either name", "onBound,value,name\n,12,visits\n"],
    ["quotes where none are needed", '"name","value"\n"visits","12"\n'],
    ["empty lines before NDJSON", '\n \r\n{"name":"visits","value":12}\n'],
    ["NDJSON with a byte order mark and blanks", '\ufeff  {"name" : "visits", "value": 12 }\r\n'],
  ])("may have %s", async (_, file) => {
    expect(await rowsOf(file)).toMatchObject([{ wanted: { name: "visits", value: 12n } }]);
  });

  it("without settings leaves them to policies", async () => {
    expect(await rowsOf("name,value,min\na,1,\nb,1,0\n")).toMatchObject([
      { wanted: { name: "a", settings: undefined } },
      { wanted: { name: "b", settings: { min: 0n } } },
    ]);
  });

  it.each([
    ['{"name":"a","value":9007199254740993}', { wanted: { value: 9007199254740993n } }],
    ['{"name":"a","value":"-9223372036854775808"}', { wanted: { value: -(2n ** 63n) } }],
    ['{"name":"a","value":9223372036854775808}', { fault: /^value: expected a whole number/ }],
    ['{"name":"a","value":1e3}', { fault: /^value: .* got "1e3"/ }],
    ['{"name":"a","value":true}', { fault: /^value: .* got true/ }],
    ['{"name":"a","value":["7"]}', { fault: /^value: .* got \["7"\]/ }],
    ['{"name":7,"value":1}', { fault: "name: expected text, got 7" }],
    ['{"name":"a","value":1,"value":2}', { fault: '"value" is given twice' }],
    ['{"name":"a","value":1,"labels":{"x":"","\\u0078":""}}', { fault: '"\\u0078" is given twice' }],
    ['{"name":"a","value":1,"description":"\\"value\\":{:"}', { wanted: { value: 1n } }],
    ['{"name":"a"}', { fault: /^value is missing/ }],
    ['{"value":1}', { fault: /^name is missing/ }],
    ['{"name":"caf\u00e9","value":1}', { fault: /^name must be 1 to 200 bytes of printable ASCII/ }],
    ['{"name":"a","value":1,"on_bound":"STOP"}', { fault: /on_bound/ }],
    ['{"name":"a","value":1,"idleTtl":"1s","idle_ttl":"1s"}', { fault: /given twice/ }],
    ['{"name":"a","value":1,"__proto__":{"min":1}}', { fault: /no field "__proto__"/ }],
    ['{"name":"a","value":1,"description":"\\ud800"}', { fault: /description/ }],
    ['{"name":"a","value":1', { fault: "it is not JSON" }],
    ["{}x", { fault: "it is not JSON" }],
    ['{"name":"a","value":1,"idleTtl":"1h"}', { fault: /^idle_ttl: expected a duration .*, got "1h"$/ }],
    [
      '{"name":"a","value":1,"refill":{"every":7}}',
      { fault: /^refill\.every: expected a duration .* got "7"$/ },
    ],
    ['{"name":"a","value":1,"refill":{"amount":"x"}}', { fault: /^refill\.amount: expected a whole number/ }],
    [
      '{"name":"a","value":1,"window":{"calendar":"X"}}',
      { fault: /^window\.calendar: expected CALENDAR_UNIT_DAY/ },
    ],
    ['{"name":"a","value":1,"window":{"anchor":"x"}}', { fault: /^window\.anchor: expected a time/ }],
    [
      '{"name":"a","value":1,"window":{"evry":"1s"}}',
      { fault: /^window\.evry: there is no such field; expected every/ },
    ],
    ['{"name":"a","value":1,"labels":{"a":true}}', { fault: /^labels: map entry "a"/ }],
    ["name,value,idle_ttl\na,1,1h", { line: 2, fault: /^idle_ttl: expected a duration/ }],
    [
      "name,value\na,1,2",
      { line: 2, fault: /^expected 2 fields, .* the last column is value, and behind it stands "2"$/ },
    ],
    [
      "name,value,max\na",
      { line: 2, fault: /^expected 3 fields, .* got 1: the column value is the first that is/ },
    ],
    ['name,value\na"b,1', { line: 2, fault: /^it is no row of CSV/ }],
    [
      'name,value\n"a,1\nb,2\n',
      { line: 2, fault: 'name: a quote (") opens it, and is not closed on its line' },
    ],
    ['name,value\na,1,"b\n', { line: 2, fault: /^column 3: a quote/ }],
    [Buffer.from('{"name":"a","value":1,"description":"\xff"}', "latin1"), { fault: "it is not UTF-8" }],
  ])("of %j tells what there is, or what is wrong", async (file, row) => {
    const [got] = await rowsOf(file);
    for (const [key, wanted] of Object.entries(row))
      if (wanted instanceof RegExp) expect((got as never)[key]).toMatch(wanted);
      else if (typeof wanted === "object") expect((got as never)[key]).toMatchObject(wanted);
      else expect((got as never)[key]).toBe(wanted);
  });

  it("judges names with the prefix before them", async () => {
    const file = `name,value\n${"n".repeat(196)},1\n${"n".repeat(197)},2\n"",3\n-a,4\nb d,5\n`;
    expect(await rowsOf(file, 7, undefined, "pre:")).toMatchObject([
      { line: 2, wanted: { name: `pre:${"n".repeat(196)}` } },
      { line: 3, fault: expect.stringMatching(/^name must be .* got "pre:n+\.\.\.", of 201 characters$/) },
      { line: 4, fault: "name is missing" },
      { line: 5, wanted: { name: "pre:-a" } },
      { line: 6, fault: expect.stringMatching(/with the prefix before it, got "pre:b d"$/) },
    ]);
    expect(await rowsOf('{"name":"","value":1}', 7, undefined, "pre:")).toMatchObject([
      { fault: expect.stringMatching(/got ""$/) },
    ]);
  });

  it("goes on after a bad line, and counts the lines within quotes", async () => {
    const file = 'name,value,description\na,1,"two\nlines"\nb,x,\nc,3,\n';
    expect(await rowsOf(file)).toMatchObject([
      { line: 2, wanted: { name: "a", settings: { description: "two\nlines" } } },
      { line: 4, fault: expect.stringContaining("value: expected") },
      { line: 5, wanted: { name: "c" } },
    ]);
  });

  it("goes on with the next line where a quote is left open in what has no line breaks", async () => {
    const rows = await rowsOf('name,value,max\n"a,1,2\nb,"2,3\nc,3,"4\nd,4,5\n');
    expect(rows).toMatchObject([
      { line: 2, fault: expect.stringMatching(/^name: a quote/) },
      { line: 3, fault: expect.stringMatching(/^value: a quote/) },
      { line: 4, fault: expect.stringMatching(/^max: a quote/) },
      { line: 5, wanted: { name: "d", value: 4n } },
    ]);
  });

  it.each([
    [
      "at its end",
      'n,1,"x\nb,2,\nc,3,\n',
      /^line 3: a quote \("\) opens description there, and is still open at the end/,
    ],
    [
      "after very much",
      `n,1,"x\n${"b,2,\n".repeat(40_000)}`,
      /^line 3: .* is still open 131072 characters later$/,
    ],
    ["where the next one opens", 'n,1,"x\nb,2,"y"\nc,3,\n', /^line 3: .* is still open at the end/],
    [
      "where there are too many fields then",
      'n,1,"x\nb,2,",y\nc,3,\n',
      /^line 3: .* does not end as it should/,
    ],
    ["on the line on which it is", 'n,1,"x\ny",\nc,3,\n', /^line 3: .* does not end as it should/],
    [
      "at a line that cannot be read",
      Buffer.from('n,1,"x\n\xff\n"\n', "latin1"),
      /^line 3: .* a line within it cannot/,
    ],
    [
      "at one that is too long",
      `n,1,"x\n${"y".repeat(2 ** 20 + 1)}\n"\n`,
      /^line 3: .* a line within it cannot/,
    ],
  ])("whose quote is left open in a text reads nothing more: %s", async (_, rest, why) => {
    const file = Buffer.concat([Buffer.from("\nname,value,description\n"), Buffer.from(rest as string)]);
    await expect(rowsOf(file, 2 ** 16)).rejects.toThrow(why);
    await expect(rowsOf(file, 2 ** 16)).rejects.toBeInstanceOf(UnreadableFile);
  });

  it.each([
    ["name;value\na;1\n", /no field "name;value"/],
    ["\nname\na\n", /^line 2: of the names of columns, the column value is missing; it names name$/],
    ["name,value,name\n", /^line 1: .* the column name stands there twice, as columns 1 and 3$/],
    [
      "name,on_bound,value,onBound\n",
      /^line 1: .* the column on_bound stands there twice, as columns 2 and 4$/,
    ],
    ['name,"value\na,1\n', /^line 1: a quote \("\) opens a field there, and is not closed on its line$/],
    ['[{"name":"a","value":1}]', /one JSON array.*jq/],
  ])("that begins with %j is refused whole", async (file, why) => {
    await expect(rowsOf(file)).rejects.toThrow(why);
  });
});

property.prop([
  fc.array(fc.string({ unit: fc.constantFrom(",", '"', "\n", "\r", "a", "\u00e9") }), { minLength: 1 }),
])("a row of CSV has the fields that were put into it", (fields) => {
  expect(fieldsOf(rowText(fields))).toEqual(fields);
});
