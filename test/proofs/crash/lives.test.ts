import { describe, expect, test } from "vitest";
import { ABSENT, type Asked, type Entry, type Known, PLAIN_RULES, type Told } from "./history.ts";
import { checkLives } from "./lives.ts";
import { freshSeed, type Random, seededRandom } from "./random.ts";

const ANY_TIME = [0, 1e9] as const;

function entry(asked: Asked, told: Told, [startUs, endUs]: readonly [number, number] = ANY_TIME): Entry {
  return { name: "c", asked, told, startUs, endUs, id: "i" };
}

const add = (
  uid: string,
  amount: bigint,
  value: bigint,
  revision: number,
  time?: readonly [number, number],
) => entry({ verb: "add", amount }, { value, previous: value - amount, revision, uid }, time);
const read = (uid: string, value: bigint, revision: number, time?: readonly [number, number]) =>
  entry({ verb: "read" }, { value, revision, uid }, time);
const end = (uid: string, value: bigint, revision: number, time?: readonly [number, number]) =>
  entry({ verb: "delete", keepHistory: false }, { value, revision, uid }, time);
const missing = (time?: readonly [number, number]) =>
  entry({ verb: "read" }, { refused: "COUNTER_NOT_FOUND" }, time);

function kinds(entries: readonly Entry[], from: Known = ABSENT): string[] {
  return checkLives(entries, from, PLAIN_RULES).violations.map(({ kind }) => kind);
}

describe("right lives pass:", () => {
  test("one after the other, with refusals between, in two stages", () => {
    const first = [add("u", 5n, 5n, 1, [0, 10]), end("u", 5n, 1, [20, 30]), missing([22, 40])];
    const second = [add("v", 2n, 2n, 1, [35, 50]), read("v", 2n, 1, [60, 70])];
    expect(kinds([...first, ...second])).toEqual([]);
    const stage = checkLives([...first, ...second], ABSENT, PLAIN_RULES);
    expect(stage.known).toEqual({ revision: 1, value: 2n, uid: "v" });
    expect(kinds([add("v", 1n, 3n, 2), end("v", 3n, 2)], stage.known)).toEqual([]);
    expect(checkLives([end("v", 2n, 1)], stage.known, PLAIN_RULES).known).toEqual(ABSENT);
    expect(checkLives([], stage.known, PLAIN_RULES).known).toEqual(stage.known);
  });
});

describe("the check notices", () => {
  const life = [add("u", 5n, 5n, 1, [0, 10]), add("u", 1n, 6n, 2, [20, 30])];

  test("a change of a counter after its deletion was answered", () => {
    expect(kinds([...life, end("u", 5n, 1, [12, 18])])).toContain("lost");
    expect(kinds([...life, end("u", 6n, 2, [40, 50]), read("u", 6n, 2, [60, 70])])).toEqual(["order"]);
  });

  test("an acknowledged change that the end does not have, and one that is nobody's", () => {
    expect(kinds([...life, end("u", 5n, 1)])).toContain("lost");
    expect(kinds([...life, end("u", 7n, 3)])).toContain("doubled");
    expect(kinds([...life, end("u", 7n, 2)])).toContain("value");
  });

  test("a life that nobody ended, and one that was ended twice", () => {
    expect(kinds([...life, add("v", 1n, 1n, 1)])).toEqual(["doubled"]);
    expect(kinds([...life, end("u", 6n, 2), end("u", 6n, 2)])).toEqual(["doubled"]);
    expect(kinds([add("v", 1n, 1n, 1)], { revision: 1, value: 1n, uid: "u" })).toEqual(["doubled"]);
  });

  test("a refusal as missing while the counter was there, and an answer of what was gone", () => {
    expect(kinds([...life, missing([32, 40])])).toEqual(["refusal"]);
    const dead = [...life, end("u", 6n, 2, [40, 50])];
    expect(kinds([...dead, missing([51, 60])])).toEqual([]);
    const exists = entry({ verb: "create", value: 1n }, { refused: "COUNTER_EXISTS" }, [51, 60]);
    expect(kinds([...dead, exists])).toEqual(["refusal"]);
  });
});

/** Goal and method are those of history.test.ts: play callers on a right counter that dies at times; spoil it. */
test("histories of right lives pass, and one fault in any of them is noticed", () => {
  const seed = freshSeed();
  const random = seededRandom(seed);
  for (let run = 0; run < 100; run++) {
    const entries = play(random);
    expect(kinds(entries), `seed ${seed}, run ${run}`).toEqual([]);
    const deletions = entries.filter(({ asked }) => asked.verb === "delete");
    const one = random.pick(deletions.slice(0, -1));
    const without = entries.filter((each) => each !== one);
    expect(kinds(without), `seed ${seed}, run ${run}, a deletion is nobody's`).not.toEqual([]);
    expect(
      kinds([...entries, { ...one, id: "other" }]),
      `seed ${seed}, run ${run}, one counts twice`,
    ).not.toEqual([]);
    const writes = entries.filter(({ asked }) => asked.verb === "add");
    const lost = random.pick(writes);
    expect(kinds(entries.filter((each) => each !== lost)), `seed ${seed}, run ${run}, a gap`).not.toEqual([]);
  }
});

function play(random: Random): Entry[] {
  const entries: Entry[] = [];
  let [life, value, revision] = [100, 0n, 0];
  for (let step = 1; step <= 200; step++) {
    const at = step * 100;
    const around = () => [at - random.between(0, 3000), at + 1 + random.between(0, 3000)] as const;
    const uid = `${life}`;
    if (revision > 0 && random.fraction() < 0.15) {
      entries.push(end(uid, value, revision, around()));
      [life, value, revision] = [life + 1, 0n, 0];
      if (random.fraction() < 0.5) entries.push(missing(around()));
      continue;
    }
    const amount = BigInt(random.between(1, 9));
    value += amount;
    revision++;
    entries.push(add(uid, amount, value, revision, around()));
    if (random.fraction() < 0.3) entries.push(read(uid, value, revision, around()));
  }
  if (revision > 0) entries.push(end(`${life}`, value, revision, [1e6, 1e6 + 1]));
  return entries;
}
