import { strict as assert } from "node:assert";
import { linkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { EXIT } from "../../../src/cli/exit.ts";
import type { Random } from "../crash/random.ts";
import { pause } from "../crash/server-process.ts";
import { type Allowed, HARMS, LIVE_HARMS, type Saved } from "./harms.ts";
import { Site } from "./site.ts";
import { Turns } from "./turns.ts";

/** A start refuses with one of these. */
const REFUSALS: readonly (number | null)[] = [EXIT.STORE_UNUSABLE, EXIT.STORE_IN_USE];

/**
 * How long a server that has lost its files may answer that it is ready, or take to end: two seconds on a machine that
 * has nothing else to do. How long it took at most is told.
 */
const NOTICED_MS = 20_000;
const ENDED_MS = 120_000;
const LOOK_EVERY_MS = 20;

/**
 * One store from its first start to its last: lives that end in order or not, each followed by a harm to the files.
 *
 * @param tell  takes a line for each thing that was done, with what came of it
 * @returns     how many increments were answered
 */
export async function playRound(random: Random, tell: (line: string) => void): Promise<number> {
  const site = new Site();
  const saved: Saved[] = [];
  try {
    await serves(site, "all");
    await site.count(random.between(1, 20));
    await site.stop();
    saved.push({ file: site.save("first"), value: site.acknowledged, closed: true });
    for (let life = 0; life < 3; life++) {
      await serves(site, "all");
      await site.count(random.between(1, 30));
      if (random.fraction() < 0.3) await site.fill();
      await site.count(random.between(0, 30));
      if (random.fraction() < 0.4) await meddle(site, random, tell);
      if (random.fraction() < 0.4 && !(await loseFiles(site, random, saved, tell))) return site.answers;
      const closed = random.fraction() < 0.4;
      assert.deepEqual(await (closed ? site.stop() : site.kill()), closed ? ENDED : KILLED, site.output);
      const master = { file: site.save(`life-${life}`), value: site.acknowledged, closed };
      await harm(site, random, saved, closed, tell);
      site.restore(master.file); // Whatever came of it.
      saved.push(master);
    }
    await serves(site, "all");
    await site.stop();
    assert.equal(site.integrity(), "ok");
    return site.answers;
  } finally {
    await site.dispose();
  }
}

/** What is done to the files, over all rounds. */
const turns = { harms: new Turns(HARMS), live: new Turns(LIVE_HARMS) };

/** Whether each harm was done in some round. */
export const allDone = (): boolean => turns.harms.complete && turns.live.complete;

/** How long idle servers took to notice, in milliseconds. */
export const noticed: number[] = [];

const ENDED = { code: 0, signal: null };
const KILLED = { code: null, signal: "SIGKILL" };

/** Others who reach for the files of a running server, which it does not mind. */
async function meddle(site: Site, random: Random, tell: (line: string) => void): Promise<void> {
  const how = random.pick(["by its name", "by a second name", "with the lock removed"]);
  const other = join(site.root, "second.db");
  if (how === "by a second name") linkSync(site.file, other);
  if (how === "with the lock removed") rmSync(`${site.file}-lock`);
  const code = await site.startAnother(how === "by a second name" ? other : site.file);
  rmSync(other, { force: true });
  assert.equal(code, EXIT.STORE_IN_USE, `a second server ${how}`);
  assert.equal(await site.count(3), 3, `counting beside a second server ${how}`);
  tell(`running: a second server ${how}: ${code}`);
}

/** @returns  whether the round can go on */
async function loseFiles(
  site: Site,
  random: Random,
  saved: readonly Saved[],
  tell: (line: string) => void,
): Promise<boolean> {
  const { name, undo } = turns.live.take(random, ({ do: act }) => act(site, saved) ?? true).item;
  const idle = random.fraction() < 0.5;
  if (idle) {
    const since = performance.now();
    while (await site.ready()) {
      assert.ok(performance.now() - since < NOTICED_MS, `${name}: still ready`);
      await pause(LOOK_EVERY_MS);
    }
    noticed.push(performance.now() - since);
  } else assert.equal(await site.count(20), 0, `${name}: acknowledged`);
  const exit = await Promise.race([site.exited, pause(ENDED_MS)]);
  assert.deepEqual(exit, { code: EXIT.STORE_FAILED, signal: null }, `${name}: ${site.output}`);
  assert.doesNotMatch(site.output, /Every answered change is in the store/);
  tell(`running, ${idle ? "idle" : "counting"}: ${name}: 74`);
  if (undo === undefined) {
    const code = (await site.start())?.code;
    assert.ok(REFUSALS.includes(code!), `${name}, then a start: ${code}\n${site.output}`);
    return false;
  }
  undo(site);
  await serves(site, "all");
  return true;
}

async function harm(
  site: Site,
  random: Random,
  saved: readonly Saved[],
  closed: boolean,
  tell: (line: string) => void,
): Promise<void> {
  const { item, done } = turns.harms.take(random, (each) => each.do(site, random, saved, closed));
  const what = `${closed ? "stopped" : "killed"}: ${item.name}`;
  const came = await serves(site, done.allowed, done.at, what);
  if (came === "served") {
    await site.stop();
    assert.equal(site.integrity(done.at), "ok", what);
  }
  tell(`${what}: ${came}`);
}

/** Start, and hold what is served against what may be. */
async function serves(site: Site, allowed: Allowed, at = site.file, what = ""): Promise<string> {
  const ended = await site.start(at);
  if (ended !== undefined) {
    const may = typeof allowed === "string" ? allowed !== "all" : allowed.orRefused;
    assert.ok(may && REFUSALS.includes(ended.code), `${what}: ended with ${ended.code}\n${site.output}`);
    assert.match(site.output, /^tally: .+\.$/m);
    return `${ended.code}`;
  }
  const value = await site.value();
  assert.notEqual(allowed, "refused", `${what}: served ${value}`);
  if (typeof allowed === "object") {
    assert.equal(value, allowed.backup, `${what}: served ${value}, the backup had ${allowed.backup}`);
    return "served";
  }
  const { acknowledged, unknown } = site;
  const whole = acknowledged <= value && value <= acknowledged + unknown;
  assert.ok(whole, `${what}: served ${value}, answered were ${acknowledged}, and perhaps ${unknown} more`);
  site.acknowledged = value;
  site.unknown = 0n;
  return "served";
}
