import { fc } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import { type Entry, Queue, type QueueLimits, type Waiter } from "../../src/service/queue.ts";
import { HandClock } from "../support/clock.ts";

const PATIENT: Waiter = { deadline: Number.POSITIVE_INFINITY, cancelled: () => false };
const EVERYTHING = { ends: () => false };

function setUp(limits: Partial<QueueLimits> = {}) {
  const clock = new HandClock();
  const queue = new Queue<string, string>(clock, { sizeMax: 100, retryMs: 70, ...limits });
  return { clock, queue };
}

const itemsOf = (entries: readonly Entry<string, string>[]) => entries.map(({ item }) => item);

describe("a queue", () => {
  it("refuses at once what it has no room for, by size or by bytes, and has room again when some was taken", async () => {
    const { queue } = setUp({ sizeMax: 3, bytesMax: 50 });
    const full = { code: "QUEUE_FULL", retryAfterMs: 70 };
    const a = queue.enter("a", PATIENT, 2, 10);
    expect(await queue.enter("too much", PATIENT, 2, 10)).toEqual(full);
    expect(await queue.enter("too many bytes", PATIENT, 1, 41)).toEqual(full);
    const b = queue.enter("b", PATIENT, 1, 40);
    expect([queue.size, queue.isEmpty]).toEqual([3, false]);
    const { taken } = queue.cut(EVERYTHING);
    expect([itemsOf(taken), queue.size, queue.isEmpty]).toEqual([["a", "b"], 0, true]);
    void queue.enter("c", PATIENT, 3, 50);
    expect(queue.size).toBe(3);
    for (const { item, resolve } of taken) resolve(`${item}!`);
    expect(await Promise.all([a, b])).toEqual(["a!", "b!"]);
  });

  it("takes none, once it is closed, and keeps those that wait", async () => {
    const { queue } = setUp({ sizeMax: 1 });
    void queue.enter("a", PATIENT);
    queue.close();
    expect(await queue.enter("b", PATIENT)).toEqual({ code: "DRAINING" });
    expect(itemsOf(queue.cut(EVERYTHING).taken)).toEqual(["a"]);
  });

  it("ends a cut before it asks whether anybody waits, and passes over the head", () => {
    const { queue } = setUp();
    const asked: string[] = [];
    const waiter = (name: string) => ({ ...PATIENT, cancelled: () => asked.push(name) < 0 });
    for (const name of ["a", "b", "c", "d"]) void queue.enter(name, waiter(name));
    const { taken, kept } = queue.cut(
      { ends: ({ item }) => item === "d", stays: ({ item }) => item === "b" },
      1,
    );
    expect([itemsOf(taken), kept, asked]).toEqual([["c"], 2, ["b", "c"]]);
    expect(itemsOf(queue.cut(EVERYTHING).taken)).toEqual(["a", "b", "d"]);
  });

  /**
   * Whatever comes, goes, is late, stays or is cut: each one is answered once, by what became of it, in the order in which
   * it came; and the queue knows how much it has. Held against a plain list.
   */
  it("loses nothing, does nothing twice, and keeps the order", async () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant("enter" as const),
        size: fc.integer({ min: 1, max: 4 }),
        bytes: fc.integer({ min: 0, max: 9 }),
        lasts: fc.constantFrom(1, 3, Number.POSITIVE_INFINITY),
      }),
      fc.record({ kind: fc.constant("leave" as const), which: fc.nat(40) }),
      fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 2 }) }),
      fc.record({
        kind: fc.constant("cut" as const),
        sizeMax: fc.integer({ min: 1, max: 8 }),
        staying: fc.integer({ min: 1, max: 5 }),
        fails: fc.boolean(),
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        const limits = { sizeMax: 12, bytesMax: 40, retryMs: 70 };
        const clock = new HandClock();
        const queue = new Queue<number, string>(clock, limits);
        interface Known {
          readonly n: number;
          readonly size: number;
          readonly bytes: number;
          readonly deadline: number;
          gone: boolean;
        }
        const all: Known[] = [];
        let waiting: Known[] = [];
        const expected: string[] = [];
        const answers: Promise<string>[] = [];
        const sum = (of: "size" | "bytes") => waiting.reduce((total, each) => total + each[of], 0);
        for (const each of steps) {
          if (each.kind === "enter") {
            const { size, bytes, lasts } = each;
            const known = { n: all.length, size, bytes, deadline: clock.now() + lasts, gone: false };
            const fits = sum("size") + size <= limits.sizeMax && sum("bytes") + bytes <= limits.bytesMax;
            const waiter = { deadline: known.deadline, cancelled: () => known.gone };
            const answer = queue.enter(known.n, waiter, size, bytes);
            answers.push(
              answer.then(
                (result) => (typeof result === "string" ? result : result.code),
                (error: Error) => error.message,
              ),
            );
            all.push(known);
            if (fits) waiting.push(known);
            else expected[known.n] = "QUEUE_FULL";
          } else if (each.kind === "leave") {
            const known = all[each.which];
            if (known !== undefined) known.gone = true;
          } else if (each.kind === "wait") clock.advance(each.ms);
          else {
            const stays = (n: number) => n % each.staying === 1;
            const { taken } = queue.cut({
              ends: ({ size }, taken) => taken.count > 0 && taken.size + size > each.sizeMax,
              stays: ({ item }) => stays(item),
            });
            let size = 0;
            const cut: number[] = [];
            const left: Known[] = [];
            for (const [at, known] of waiting.entries()) {
              if (size > 0 && size + known.size > each.sizeMax) {
                left.push(...waiting.slice(at));
                break;
              }
              if (known.gone) expected[known.n] = "CALL_CANCELLED";
              else if (known.deadline <= clock.now()) expected[known.n] = "DEADLINE_PASSED";
              else if (stays(known.n)) left.push(known);
              else {
                size += known.size;
                cut.push(known.n);
                expected[known.n] = `${each.fails ? "failed" : "done"} ${known.n}`;
              }
            }
            waiting = left;
            expect(taken.map(({ item }) => item)).toEqual(cut);
            for (const { item, resolve, reject } of taken) {
              if (each.fails) reject(new Error(`failed ${item}`));
              else resolve(`done ${item}`);
            }
          }
          expect([queue.size, queue.isEmpty]).toEqual([sum("size"), waiting.length === 0]);
        }
        const rest = queue.cut(EVERYTHING).taken;
        for (const known of waiting) {
          expected[known.n] = known.gone
            ? "CALL_CANCELLED"
            : known.deadline <= clock.now()
              ? "DEADLINE_PASSED"
              : `rest ${known.n}`;
        }
        for (const { item, resolve } of rest) resolve(`rest ${item}`);
        expect(await Promise.all(answers)).toEqual(expected);
      }),
      { numRuns: 500, verbose: 1 },
    );
  });
});
