/** Windows, refills and idle TTLs on the command line: how they are written, shown, taken away and refused. */
import { describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { formatDuration, parseDuration } from "../../src/config/quantity.ts";
import { serverForTests, tally } from "./cli.ts";

const server = serverForTests();
const at = (...args: string[]) => tally(args, { env: { TALLY_SERVER: server.address } });
const json = async (...args: string[]) => JSON.parse((await at(...args, "-o", "json")).stdout);
const BERLIN = ["--window", "day", "--zone", "Europe/Berlin"];

describe("create", () => {
  it.each<[string[], object]>([
    [BERLIN, { window: { calendar: "CALENDAR_UNIT_DAY", timeZone: "Europe/Berlin" } }],
    [
      ["--window", "month", "--zone", "UTC", "--day", "31"],
      { window: { calendar: "CALENDAR_UNIT_MONTH", timeZone: "UTC", day: 31 } },
    ],
    [["--window", "quarter", "--zone", "UTC"], { window: { calendar: "CALENDAR_UNIT_QUARTER" } }],
    [["--window", "1h30m"], { window: { every: "5400s" } }],
    [
      ["--window", "1d", "--anchor", "2026-03-01T06:00:00+01:00"],
      { window: { every: "86400s", anchor: "2026-03-01T05:00:00Z" } },
    ],
    [["--window", "7d", "--anchor", "2026-03-01"], { window: { anchor: "2026-03-01T00:00:00Z" } }],
    [["--min", "0", "--max", "9", "--refill", "3/1s"], { refill: { amount: "3", every: "1s" } }],
    [["--min", "0", "--max", "9", "--refill", "1/h"], { refill: { amount: "1", every: "3600s" } }],
    [["--min", "0", "--max", "9", "--refill", "9/250ms"], { refill: { every: "0.250s" } }],
    [["--idle-ttl", "30d"], { idleTtl: "2592000s" }],
  ])("takes %j", async (options, settings) => {
    expect(await json("create", `taken:${options.join("+")}`, ...options)).toMatchObject(settings);
  });

  it.each<[string[], string]>([
    [["--window", "day"], "say where with --zone, such as --zone "],
    [["--window", "fortnight"], "Expected one of day, week, month, quarter, year, or a duration"],
    [["--window", "1500ms"], "in whole seconds from 1s to 366d"],
    [["--window", "367d"], "in whole seconds from 1s to 366d"],
    [["--window", "1h", "--zone", "UTC"], "--zone goes with --window day|week|month|quarter|year."],
    [["--window", "1h", "--day", "3"], "--day goes with --window day|week|month|quarter|year."],
    [["--window", "week", "--zone", "UTC", "--day", "3"], "--day goes with --window month."],
    [["--window", "month", "--zone", "UTC", "--day", "32"], "Expected a whole number from 1 to 31."],
    [[...BERLIN, "--anchor", "2026-03-01"], "--anchor goes with --window with a duration"],
    [["--window", "1h", "--anchor", "2026-02-30"], "Expected an instant such as 2026-03-01"],
    [["--window", "1h", "--anchor", "2026-13-01"], "Expected an instant such as 2026-03-01"],
    [["--window", "1h", "--anchor", "2026-03-01T24:00Z"], "Expected an instant such as 2026-03-01"],
    [["--window", "1h", "--anchor", "2026-03-01T06:00"], "Expected an instant such as 2026-03-01"],
    [["--zone", "UTC"], "--zone goes with --window."],
    [["--day", "3"], "--day goes with --window."],
    [["--window", "day", "--zone", "Mars/Olympus"], "--zone must be a time zone that this server knows"],
    [["--window", "day", "--zone", "+02:00"], "--zone must be the IANA name of a time zone"],
    [["--refill", "3"], "Expected AMOUNT/DURATION, such as 3/1s"],
    [["--refill", "3/1"], "Expected AMOUNT/DURATION, such as 3/1s"],
    [["--refill", "0/1s"], "Expected a whole number from 1 to"],
    [["--idle-ttl", "10"], "Expected a duration from 1s to 3650d, such as 1m30s or 30d."],
    [["--idle-ttl", "999ms"], "Expected a duration from 1s to 3650d"],
  ])("refuses %j", async (options, sentence) => {
    const ran = await at("create", "refused", ...options);
    expect(ran).toMatchObject({ code: EXIT.USAGE, stdout: "" });
    expect(ran.stderr).toContain(sentence);
  });

  it("says what goes with a refill", async () => {
    const ran = await at("create", "refused", "--refill", "3/1s");
    expect(ran).toMatchObject({ code: EXIT.REFUSED, stdout: "" });
    expect(ran.stderr).toBe(
      "tally: refused: --refill needs min and max; nothing was changed. " +
        "A refill needs --min and --max, and goes with neither --window nor --monotonic.\n",
    );
  });
});

describe("update", () => {
  it("changes each of them, takes each away, and leaves the others", async () => {
    await at("create", "all", "--idle-ttl", "1h", ...BERLIN);
    expect(await json("update", "all", "--window", "10s")).toMatchObject({
      window: { every: "10s" },
      idleTtl: "3600s",
    });
    const bare = await json("update", "all", "--no-window");
    expect(bare).not.toHaveProperty("window");
    expect(bare).not.toHaveProperty("windowEnd");
    expect(bare).toMatchObject({ idleTtl: "3600s" });
    const refilled = await json(
      "update",
      "all",
      "--min",
      "0",
      "--max",
      "5",
      "--refill",
      "1/m",
      "--no-idle-ttl",
    );
    expect(refilled).toMatchObject({ refill: { amount: "1", every: "60s" } });
    expect(refilled).not.toHaveProperty("idleTtl");
    expect(await json("update", "all", "--no-refill")).not.toHaveProperty("refill");
  });

  it.each([
    ["--zone", "UTC"],
    ["--no-window", "--zone", "UTC"],
  ])("has no use for %j", async (...options) => {
    const ran = await at("update", "all", ...options);
    expect(ran).toMatchObject({ code: EXIT.USAGE, stderr: "tally: --zone goes with --window.\n" });
  });
});

describe("what is shown", () => {
  it("of one counter is all there is, and of one that time leaves alone nothing of it", async () => {
    const { windowStart, windowEnd } = await json("create", "shown", ...BERLIN);
    const { stdout } = await at("get", "shown", "-o", "table");
    expect(stdout).toMatch(/^window +day in Europe\/Berlin\nrefill +none\nidle ttl +none$/m);
    expect(stdout).toMatch(
      new RegExp(`^window began +${atMs(windowStart)}\nwindow ends +${atMs(windowEnd)}$`, "m"),
    );
    await at("set", "plain", "1");
    expect((await at("get", "plain", "-o", "table")).stdout).not.toMatch(
      /window ends|initial {2}\d{4}|expires/,
    );
  });

  it("with -o wide, of each in a list, is when something happens", async () => {
    const { windowEnd } = await json("create", "wide:a", "--window", "1h");
    const bucket = ["--min", "0", "--max", "9", "--value", "9", "--refill", "1/1h"];
    const { fullTime } = await json("create", "wide:b", ...bucket, "--idle-ttl", "2d");
    const { expireTime } = await json("get", "wide:b");
    for (const command of ["list", "top"]) {
      const { stdout } = await at(command, "wide:", "-o", "wide");
      const [head, ...lines] = stdout.split("\n");
      expect(head).toMatch(/CHANGED +WINDOW ENDS +BACK AT INITIAL +EXPIRES +LABELS$/);
      const a = lines.find((line) => line.startsWith("wide:a"));
      const b = lines.find((line) => line.startsWith("wide:b"));
      expect(a).toMatch(new RegExp(`  ${atMs(windowEnd)}  - +-$`));
      expect(b).toMatch(new RegExp(`  - +${atMs(fullTime)}  ${atMs(expireTime)}$`));
    }
    expect((await at("list", "wide:")).stdout).not.toContain("WINDOW ENDS");
  });

  it("at a bound is when there will be room, and nothing where there never will", async () => {
    await at("create", "hourly", "--max", "5", "--value", "5", "--window", "366d", "--anchor", "2026-01-01");
    const later = await at("inc", "hourly");
    expect(later.code).toBe(EXIT.REFUSED);
    expect(later.stderr).toMatch(
      /^tally: hourly: 5 \+ 1 is above the maximum 5; .* There will be room in \d+d[\dhms]*\.\n$/,
    );
    expect((await at("inc", "hourly", "6")).stderr).not.toContain("There will be room");
    await at("create", "burst", "--min", "0", "--max", "9", "--value", "9", "--refill", "1/1h");
    expect((await at("inc", "burst", "2")).stderr).toMatch(/There will be room in (2h|1h59m[\ds]*)\.\n$/);
  });
});

it.each([
  [0, "0s"],
  [250, "250ms"],
  [1_500, "1s500ms"],
  [5_400_000, "1h30m"],
  [2_592_000_000, "30d"],
  [366 * 86_400_000 + 1, "366d1ms"],
])("a duration of %d ms is written %s, and read as the same", (ms, text) => {
  expect([formatDuration(ms), parseDuration(text)]).toEqual([text, ms]);
});

/** A time of the API as it is shown: with milliseconds. */
function atMs(time: string): string {
  return new Date(time).toISOString();
}
