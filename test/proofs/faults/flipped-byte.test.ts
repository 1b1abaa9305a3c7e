/**
 * Goal: a byte that rotted in the file is never counted with, and hurts only its own counter.
 *
 * Method: make counters through a running server, stop it, change one byte of each in the file, start it again and
 * ask. (That no flip anywhere in these pages is served silently is tested at the store, test/stores/.)
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { Code } from "../../../gen/google/rpc/code_pb.ts";
import { CounterService } from "../../../gen/tally/v1/counter_service_pb.ts";
import { uidToBytes } from "../../../src/core/uid.ts";
import { folder, serve } from "../../cli/process/tally.ts";
import { Caller } from "./calls.ts";

let path = "";
beforeEach(() => {
  path = join(folder(), "tally.db");
});

const UID_LENGTH = 36;
const VALUE = 0x1122_3344_5566_0000n;
const MAX = 0x7fed_cba9_8765_4321n;
const DESCRIPTION = "the end of the row";

/** The two rows of a counter: where each begins and ends in the file. A checksum is two bytes long at least. */
const ROWS = [
  { row: "settings", bytes: 50, end: Buffer.from(DESCRIPTION), behind: 0 },
  { row: "count", bytes: 30, end: int64(MAX), behind: 2 },
] as const;

test.for(ROWS)(
  "a flipped byte in a stored $row row, whichever it is: that counter is refused, the others work",
  async ({ row, bytes, end, behind }) => {
    const names = Array.from({ length: 100 }, (_, n) => `row/${String(n).padStart(3, "0")}`);
    const values = names.map((_, n) => VALUE + BigInt(n));
    const starts = await serving(async (caller) => {
      const starts: Buffer[] = [];
      for (const [n, name] of names.entries()) {
        const value = values[n]!;
        const settings = { min: -VALUE, max: MAX, labels: { site: "a" }, description: DESCRIPTION };
        const answer = await caller.call(CounterService.method.createCounter, { name, value, ...settings });
        if (!answer.ok) throw new Error(answer.text);
        const { uid } = answer.message.counter!;
        starts.push(row === "settings" ? Buffer.concat([Buffer.from(name), uidToBytes(uid)]) : int64(value));
      }
      return starts;
    });

    // The k-th counter rots in its row's k-th byte. A row that moved when its page was split leaves a dead copy.
    const file = readFileSync(path);
    let rotten = 0;
    for (const [k, start] of starts.entries()) {
      const places = placesOf(file, start);
      expect(places).not.toEqual([]);
      for (const at of places) {
        rotten = file.indexOf(end, at) + end.length + behind - at;
        if (k < rotten) file[at + k]! ^= 1 << (k % 8);
      }
    }
    expect(rotten).toBeGreaterThan(bytes);
    expect(rotten).toBeLessThan(names.length);
    writeFileSync(path, file);

    await serving(async (caller, tally) => {
      for (const [k, name] of names.entries()) {
        const value = values[k]!;
        const refused = k < rotten;
        expect(await caller.get(name), `Get, byte ${k}`).toBe(refused ? "ROW_CORRUPT" : value);
        expect(await caller.increment(name), `Increment, byte ${k}`).toBe(
          refused ? "ROW_CORRUPT" : value + 1n,
        );
      }
      expect(await tally.logged("store.damaged")).toMatchObject({ level: "error", names: [names[0]] });
      const get = await caller.call(CounterService.method.getCounter, { name: names[0]! });
      expect(get).toMatchObject({ ok: false, status: Code.DATA_LOSS, metadata: { name: names[0] } });

      const operations = names.map((name) => ({ name, action: { case: "decrement", value: 1n } as const }));
      const batch = await caller.call(CounterService.method.batchApply, { operations });
      const results =
        batch.ok && batch.message.outcomes.map(({ value, refusal }) => refusal?.reason ?? value);
      expect(results).toEqual(values.map((value, k) => (k < rotten ? "ROW_CORRUPT" : value)));
    });
  },
);

test("a flipped byte in the index of names: neither name leads to the counter, nor to a new one", async () => {
  const names = Array.from({ length: 20 }, (_, n) => `index/${String(n * 10).padStart(3, "0")}`);
  const uids = await serving(async (caller) => {
    const uids = new Map<string, Uint8Array>();
    for (const name of names) {
      const answer = await caller.call(CounterService.method.increment, { name });
      if (answer.ok) uids.set(name, uidToBytes(answer.message.outcome!.etag.slice(0, UID_LENGTH)));
    }
    return uids;
  });

  const file = readFileSync(path);
  const rotten = names.filter((_, n) => n % 4 === 2);
  const misread = rotten.map((name) => `${name.slice(0, -1)}1`);
  for (const name of rotten) {
    // A name stands in its row, where the uid follows, and in the index.
    const [row, ...copies] = placesOf(file, Buffer.concat([Buffer.from(name), uids.get(name)!]));
    const [inIndex, ...others] = placesOf(file, Buffer.from(name)).filter((at) => at !== row);
    expect([...copies, ...others]).toEqual([]);
    file[inIndex! + name.length - 1]! ^= 1; // "0" becomes "1": the order of the names stays.
  }
  writeFileSync(path, file);

  await serving(async (caller) => {
    for (const name of [...rotten, ...misread]) {
      expect(await caller.get(name), `Get ${name}`).toBe("ROW_CORRUPT");
      expect(await caller.increment(name), `Increment ${name}`).toBe("ROW_CORRUPT");
    }
    for (const name of names.filter((name) => !rotten.includes(name))) {
      expect(await caller.get(name), `Get ${name}`).toBe(1n);
      expect(await caller.increment(name), `Increment ${name}`).toBe(2n);
    }
  });
});

/** Start a server on the file, do something with it, and stop it in order, so that all is in the file itself. */
async function serving<Result>(
  use: (caller: Caller, tally: ReturnType<typeof serve>) => Promise<Result>,
): Promise<Result> {
  const tally = serve(["--store", `sqlite:${path}`]);
  const caller = await Caller.on(Number((await tally.logged("server.ready")).port));
  const result = await use(caller, tally);
  caller.close();
  tally.child.kill("SIGTERM");
  expect(await tally.ended).toMatchObject({ code: 0 });
  return result;
}

function placesOf(file: Buffer, bytes: Uint8Array): number[] {
  const places: number[] = [];
  for (let at = file.indexOf(bytes); at >= 0; at = file.indexOf(bytes, at + 1)) places.push(at);
  return places;
}

/** As SQLite stores a large number. */
function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}
