/** history, changes, get --as-of, and when max is met: what is printed, and what is refused. */
import { beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { chartsOf, inColumns } from "../../src/cli/history/chart.ts";
import { RPC, TallyClient } from "../../src/client/client.ts";
import { msUntilMet, outlookOf, paceOf } from "../../src/core/pace.ts";
import { TALLY } from "../support/bundles/command.ts";
import { HandClock } from "../support/clock.ts";
import { describeWith } from "../support/needs.ts";
import { serverForTests, tally } from "./cli.ts";
import { openTerminal, SCRIPT } from "./terminal.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOW = Date.now();
/** Two whole hours before the one of now. */
const FIRST = Math.floor(NOW / HOUR) * HOUR - 2 * HOUR;

const clock = new HandClock(FIRST + 10 * MINUTE);
const server = serverForTests(clock);
const env = () => ({ TALLY_SERVER: server.address, TZ: "Europe/Berlin" });
const at = (...args: string[]) => tally(args, { env: env() });
const json = async (...args: string[]) => JSON.parse((await at(...args, "-o", "json")).stdout);
const instant = (ms: number) => new Date(ms).toISOString();

beforeAll(async () => {
  const client = new TallyClient({ server: server.address });
  await client.call(RPC.createCounter, { name: "visits", max: 1_000n, value: 5n });
  await client.call(RPC.increment, { name: "page:a", amount: 3n });
  clock.advance(HOUR);
  await client.call(RPC.increment, { name: "visits", amount: 200n });
  clock.advance(10 * MINUTE);
  await client.call(RPC.decrement, { name: "visits", amount: 4n });
  await client.call(RPC.set, { name: "visits", value: 300n, note: "by hand" });
  await client.call(RPC.increment, { name: "page:b", amount: 4n });
  clock.advance(NOW - 3 * MINUTE - clock.now());
  await client.call(RPC.createCounter, { name: "young", max: 100n });
  await client.call(RPC.createCounter, { name: "falling", max: 100n, value: 50n });
  await client.call(RPC.decrement, { name: "falling", amount: 9n });
  await client.call(RPC.decrement, { name: "falling", amount: 43n });
  clock.advance(3 * MINUTE);
  await client.call(RPC.increment, { name: "young", amount: 10n });
  client.close();
});

describe("history", () => {
  it("is of the last day by the server's clock, unless it is told", async () => {
    clock.wallMs -= 48 * HOUR;
    try {
      const { code, stderr } = await at("history", "visits");
      expect([code, stderr]).toEqual([EXIT.OK, "Nothing is known of that time.\n"]);
    } finally {
      clock.wallMs += 48 * HOUR;
    }
  });

  it("is a table, a line a step, by the clocks of the machine unless it is told", async () => {
    const { stdout } = await at("history", "visits", "--since", "6h", "--step", "1h", "-o", "table");
    const [head, ...lines] = stdout.trimEnd().split("\n");
    expect(head!.split(/ +/)).toEqual("FROM VALUE LOW HIGH ADDED REMOVED ROLLED CHANGES".split(" "));
    const words = lines.map((line) => line.split(/ {2,}/).map((word) => word.trim()));
    const berlin = new Intl.DateTimeFormat("sv-SE", {
      dateStyle: "short",
      timeStyle: "short",
      timeZone: "Europe/Berlin",
    });
    expect(words).toEqual([
      [berlin.format(FIRST), "5", "5", "5", "5", "0", "0", "1"],
      [berlin.format(FIRST + HOUR), "300", "201", "300", "299", "4", "0", "3"],
      [berlin.format(FIRST + 2 * HOUR), "300", "300", "300", "0", "0", "0", "0", "in progress"],
    ]);
    const utc = await at(
      "history",
      "visits",
      "--since",
      "6h",
      "--step",
      "1h",
      "-o",
      "table",
      "--zone",
      "UTC",
    );
    expect(utc.stdout).toContain(instant(FIRST).slice(0, 16).replace("T", " "));
  });

  it("is rows of a spreadsheet, of all that begin alike, with times in UTC", async () => {
    const args = ["--prefix", "page:", "--since", "6h", "--step", "1h", "--no-fill"];
    expect((await at("history", ...args, "-o", "csv")).stdout.split("\n")).toEqual([
      "start,end,open,close,low,high,added,removed,rolled,changes,in_progress,gap",
      `${instant(FIRST)},${instant(FIRST + HOUR)},0,3,,,3,0,0,1,false,false`,
      `${instant(FIRST + HOUR)},${instant(FIRST + 2 * HOUR)},3,7,,,4,0,0,1,false,false`,
      "",
    ]);
    expect(await json("history", ...args)).toMatchObject({ points: [{ close: "3" }, { close: "7" }] });
  });

  it("is drawn, unless it is told otherwise, in steps that fit", async () => {
    const { stdout } = await at("history", "visits", "--since", instant(FIRST));
    const lines = stdout.split("\n");
    expect(lines[0]).toBe("value");
    expect(lines[1]).toMatch(/^300 ┤ +█+$/);
    expect(lines[8]).toMatch(/^ {2}0 ┤▁+.*█+$/);
    expect(lines[9]).toBe("added");
    expect(stdout).toContain("0 to 300, added 304, removed 4; ");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it("says what was typed wrong, and what is not there", async () => {
    const wrong: [string[], string, number][] = [
      [[], "Give the name of a counter, or --prefix; one of them.", EXIT.USAGE],
      [["visits", "--prefix", "v"], "one of them.", EXIT.USAGE],
      [["visits", "--step", "90s"], "in whole minutes from 1m to 366d", EXIT.USAGE],
      [["visits", "--since", "yesterday"], "Expected an instant such as", EXIT.USAGE],
      [["visits", "--zone", "Mars/Olympus"], "time_zone must be known to the server", EXIT.USAGE],
      [["visits", "--since", "9d", "--step", "1m"], "ask for steps of 15 minutes or more", EXIT.FAILURE],
      [["visits", "--since", "3d", "--step", "1m"], "whole quarters of an hour", EXIT.REFUSED],
      [
        ["nobody"],
        "There is no counter nobody, and no history of one. List those that there are with: tally list\n",
        EXIT.NOT_FOUND,
      ],
    ];
    for (const [args, message, code] of wrong) {
      const ran = await at("history", ...args);
      expect([args, ran.code, ran.stderr]).toEqual([args, code, expect.stringContaining(message)]);
    }
  });
});

describe("changes", () => {
  it("are listed, the newest first, as many as are wanted", async () => {
    const { stdout } = await at("changes", "visits");
    expect(
      stdout
        .trimEnd()
        .split("\n")
        .map((line) => line.split(/ {2,}/)),
    ).toEqual([
      ["TIME", "WHAT", "VALUE", "BY", "WHO", "NOTE"],
      [instant(FIRST + 80 * MINUTE), "set", "300", "+99", "-", "by hand"],
      [instant(FIRST + 10 * MINUTE), "created", "5", "+5", "-"],
    ]);
    expect(await json("changes", "visits", "--all")).toMatchObject([
      { kind: "CHANGE_KIND_SET", note: "by hand" },
      { kind: "CHANGE_KIND_CREATE" },
    ]);
    const none = await at("changes", "page:a");
    expect([none.code, none.stdout]).toEqual([EXIT.OK, ""]);
    expect(none.stderr).toContain("Nothing was noted of page:a: only set, reset,");
    const missing = await at("changes", "nobody");
    expect([missing.code, missing.stdout, missing.stderr]).toEqual([
      EXIT.NOT_FOUND,
      "",
      expect.stringContaining("no history of one. List those"),
    ]);
    const one = await at("changes", "visits", "--limit", "1");
    expect(one.stdout.split("\n")).toHaveLength(3);
    expect(one.stderr).toContain("--limit N lists N of them");
  });
});

describe("get", () => {
  it("--as-of says what it was, and that it was not", async () => {
    expect((await at("get", "visits", "--as-of", instant(FIRST + 75 * MINUTE))).stdout).toBe("205\n");
    expect(await json("get", "visits", "--as-of", instant(FIRST + 11.5 * MINUTE))).toMatchObject({
      value: "5",
      time: instant(FIRST + 11 * MINUTE).replace(".000", ""),
    });
    const before = await at("get", "visits", "--as-of", instant(FIRST));
    expect([before.code, before.stderr]).toEqual([
      EXIT.NOT_FOUND,
      `tally: No counter was named visits at ${instant(FIRST)}, as far as history tells.\n`,
    ]);
    const two = await at("get", "visits", "page:a", "--as-of", "1h");
    expect([two.code, two.stderr]).toEqual([EXIT.USAGE, expect.stringContaining("is about one counter")]);
  });

  it("-o wide says when max is met at the pace of the past", async () => {
    const { stdout } = await at("get", "visits", "page:a", "-o", "wide");
    const [head, visits, page] = stdout.split("\n");
    expect(head).toMatch(/ MAX MET$/);
    expect(visits).toMatch(/ \d{4}-\d\d-\d\dT\S+Z \(last (hour|day)\)$/);
    expect(page).toMatch(/ -$/);
  });

  it("-o wide goes by how old a counter is; what falls never meets it", async () => {
    const { stdout } = await at("get", "young", "falling", "-o", "wide");
    const [, young, falling] = stdout.split("\n");
    const [, met] = / (\S+Z) \(last hour\)$/.exec(young!) ?? [];
    // 10 in three minutes and the time that the test has taken by now: 90 more in nine times that.
    const agoMs = Date.now() - (NOW - 3 * MINUTE);
    expect(Date.parse(met!) - Date.now()).toBeLessThanOrEqual(9 * agoMs);
    expect(Date.parse(met!) - Date.now()).toBeGreaterThan(9 * 3 * MINUTE - MINUTE);
    expect(falling).toMatch(/ not \(last hour\)$/);
  });
});

describeWith([SCRIPT], "at a terminal", () => {
  it("a history is drawn as wide as it is", async () => {
    const command = [process.execPath, TALLY, "history", "visits", "--since", "3h", "--step", "1m"];
    const terminal = openTerminal(command, { env: env(), columns: 50 });
    expect(await terminal.ended).toBe(EXIT.OK);
    const widths = terminal.screen.split("\r\n").map((line) => line.length);
    expect(Math.max(...widths.slice(0, 14))).toBeLessThanOrEqual(50);
    expect(Math.max(...widths.slice(0, 14))).toBeGreaterThan(35);
  });
});

describe("a chart", () => {
  it("is drawn in eighths of a line, and shows what is there, however small", () => {
    const series = { title: "t", values: [0n, 1n, 50n, 100n, undefined], base: 0n, lines: 2 };
    expect(chartsOf([series])).toEqual(["t", "100 ┤   █", "  0 ┤▁▁██"]);
  });

  it("is exact beyond what a float holds, and goes below 0", () => {
    const big = 2n ** 64n;
    const series = { title: "t", values: [-big, 0n, big], base: -big, lines: 2 };
    expect(chartsOf([series])).toEqual(["t", `${` ${big}`.padStart(21)} ┤  █`, `${-big} ┤▁██`]);
  });

  it("has several steps in a column, or a step in several", () => {
    const last = (some: readonly number[]) => some.at(-1)!;
    expect(inColumns([1, 2, 3, 4, 5], 3, last)).toEqual([2, 4, 5]);
    expect(inColumns([1, 2], 5, last)).toEqual([1, 1, 2, 2]);
    expect(inColumns([1], 50, last)).toEqual([1, 1, 1, 1]);
  });
});

describe("when max is met", () => {
  const step = (startMs: number, added: bigint, removed = 0n) => ({ startMs, added, removed });

  it("goes by what moved since the counter is there, of a young one as of an old one", () => {
    const steps = [step(0, 0n), step(HOUR, 30n, 10n)];
    expect(paceOf(steps, -HOUR, 2 * HOUR)).toEqual({ moved: 20n, ms: 2 * HOUR });
    expect(paceOf(steps.slice(1), HOUR + MINUTE, 2 * HOUR)).toEqual({ moved: 20n, ms: 59 * MINUTE });
    expect(paceOf(steps, 3 * HOUR, 2 * HOUR)).toEqual({ moved: 20n, ms: 1 }); // By another clock.
    expect(paceOf([], 0, HOUR)).toBeUndefined();
  });

  it("is a time, or why there is none", () => {
    const pace = { moved: 10n, ms: HOUR };
    expect(outlookOf(20n, pace, NOW, undefined)).toBe(NOW + 2 * HOUR);
    expect(outlookOf(20n, pace, NOW, NOW + 2 * HOUR + 1)).toBe(NOW + 2 * HOUR);
    expect(outlookOf(20n, pace, NOW, NOW + 2 * HOUR)).toBe("not in this window");
    expect(outlookOf(20n, { moved: -1n, ms: HOUR }, NOW, NOW + 1)).toBe("never");
  });

  it.each([
    [{ moved: 10n, ms: HOUR }, 20n, 2 * HOUR],
    [{ moved: 3n, ms: 1_000 }, 1n, 333],
    [{ moved: 10n, ms: HOUR }, 0n, 0],
    [{ moved: 0n, ms: HOUR }, 1n, undefined],
    [{ moved: -5n, ms: HOUR }, 1n, undefined],
    [{ moved: 1n, ms: 7 * 24 * HOUR }, 2n ** 63n, undefined],
  ])("%o, %s further up: %s", (pace, room, ms) => {
    expect(msUntilMet(room, pace)).toBe(ms);
  });
});
