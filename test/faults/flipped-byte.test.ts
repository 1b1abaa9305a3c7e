/**
 * Goal: a byte that rotted in the file is never counted with, and hurts only its own counter.
 *
 * Method: make counters through a running server, stop it, change one byte of each in the file, start it again and
 * ask. (That no flip anywhere in these pages is served silently is tested at the store, test/stores/.)
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { Code } from "../../gen/google/rpc/code_pb.ts";
import { CounterService } from "../../gen/tally/v1/counter_service_pb.ts";
import { uidToBytes } from "../../src/core/uid.ts";
import { folder, serve } from "../process/tally.ts";
import { Caller } from "./calls.ts";

let path = "";
beforeEach(() => {
  path = join(folder(), "tally.db");
});

const VALUE = 0x1122_3344_5566_7788n;
const UID_LENGTH = 36;
const DESCRIPTION = "the end of the row, but for its checksum";

test("a flipped byte in a stored row, whichever it is: that counter is refused, the others work", async () => {
  const names = Array.from({ length: 160 }, (_, n) => `row/${String(n).padStart(3, "0")}`);
  const rows = await serving(async (caller) => {
    const rows: Buffer[] = [];
    for (const name of names) {
      const settings = { min: -VALUE, max: VALUE + 1n, labels: { site: "a" }, description: DESCRIPTION };
      const answer = await caller.call(CounterService.method.createCounter, {
        name,
        value: VALUE,
        ...settings,
      });
      if (!answer.ok) throw new Error(answer.text);
      rows.push(Buffer.concat([Buffer.from(name), uidToBytes(answer.message.counter!.uid)]));
    }
    return rows;
  });

  // The k-th counter rots in its k-th byte, up to the third last: a checksum can be that short. The rest stay sound.
  const file = readFileSync(path);
  let bytes = 0;
  for (const [k, row] of rows.entries()) {
    // A row that moved when its page was split leaves a dead copy in free space.
    for (const at of placesOf(file, row)) {
      bytes = file.indexOf(DESCRIPTION, at) + DESCRIPTION.length + 2 - at;
      if (k < bytes) file[at + k]! ^= 1 << (k % 8);
    }
  }
  expect(bytes).toBeGreaterThan(100);
  expect(bytes).toBeLessThan(names.length);
  writeFileSync(path, file);

  await serving(async (caller) => {
    for (const [k, name] of names.entries()) {
      const refused = k < bytes;
      expect(await caller.get(name), `Get, byte ${k}`).toBe(refused ? "ROW_CORRUPT" : VALUE);
      expect(await caller.increment(name), `Increment, byte ${k}`).toBe(refused ? "ROW_CORRUPT" : VALUE + 1n);
    }
    const get = await caller.call(CounterService.method.getCounter, { name: names[0]! });
    expect(get).toMatchObject({ ok: false, status: Code.DATA_LOSS, metadata: { name: names[0] } });

    const operations = names.map((name) => ({ name, action: { case: "decrement", value: 1n } as const }));
    const batch = await caller.call(CounterService.method.batchApply, { operations });
    const results = batch.ok && batch.message.outcomes.map(({ value, refusal }) => refusal?.reason ?? value);
    expect(results).toEqual(names.map((_, k) => (k < bytes ? "ROW_CORRUPT" : VALUE)));
  });
});

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
async function serving<Result>(use: (caller: Caller) => Promise<Result>): Promise<Result> {
  const tally = serve(["--store", `sqlite:${path}`]);
  const caller = await Caller.on(Number((await tally.logged("server.ready")).port));
  const result = await use(caller);
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
