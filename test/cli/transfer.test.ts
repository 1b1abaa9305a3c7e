/** export and import: what goes out comes in again, each counter once, and what is wrong is told by its line. */
import { existsSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Faults } from "../../src/cli/count/faults.ts";
import { EXIT } from "../../src/cli/exit.ts";
import { Before, goneIn } from "../../src/cli/transfer/before.ts";
import { Imported, importedLine } from "../../src/cli/transfer/imported.ts";
import { CallError } from "../../src/client/call-error.ts";
import { RPC, TallyClient } from "../../src/client/client.ts";
import { HandClock } from "../support/clock.ts";
import { folder, serverForTests, tally } from "./cli.ts";

const server = serverForTests();
/** By a clock that the test moves. */
const clock = new HandClock();
const timed = serverForTests(clock);
const at = (args: readonly string[], input?: string) =>
  tally(args, { env: { TALLY_SERVER: server.address }, ...(input !== undefined && { input }) });
const json = async (...args: string[]) => JSON.parse((await at([...args, "-o", "json"])).stdout);
const fileOf = (text: string) => {
  const path = join(folder(), "counters");
  writeFileSync(path, text);
  return path;
};
/** What an import came to, in the order made, set, kept, before. */
const importing = async (...args: string[]) => {
  const { made, set, kept, before, notImported } = await json("import", ...args);
  return { made, set, kept, before, notImported };
};
const NONE = { made: 0, set: 0, kept: 0, before: 0, notImported: {} };

describe("export and import", () => {
  it.each(["ndjson", "csv"])("take every setting along, as %s", async (format) => {
    const bounds = ["--min", "-5", "--max", "9223372036854775807", "--initial", "-2", "--on-bound", "clamp"];
    const time = ["--window", "month", "--day", "31", "--zone", "Europe/Berlin", "--idle-ttl", "1h30m"];
    const texts = ["--label", 'team=a"b,c', "--label", "env=\u00fc", "--description", "=1+1, \u202e"];
    const plain = ["--monotonic", "--history", "none", "--value", "9223372036854775807"];
    await at(["create", `${format}:every`, ...bounds, ...time, ...texts, ...plain]);
    await at(["create", `${format}:refilled`, "--min", "0", "--max", "10", "--refill", "3/1s"]);
    const before = await at(["export", "--prefix", `${format}:`, "-o", format]);
    expect(before).toMatchObject({ code: 0, stderr: expect.stringMatching(/^Exported 2 counters, /) });
    await at(["delete", `${format}:every`, `${format}:refilled`, "--yes"]);
    expect(await importing(fileOf(before.stdout))).toEqual({ ...NONE, made: 2 });
    const after = await at(["export", "--prefix", `${format}:`, "-o", format]);
    const settable = (text: string) => text.replaceAll(/[0-9a-f-]{36}|\d{4}-\d\d-\d\dT[\d:.]+Z/g, "");
    expect(settable(after.stdout)).toBe(settable(before.stdout));
  });

  it("export takes those of a label alone", async () => {
    await at(["create", "labelled:a", "--label", "team=web"]);
    await at(["create", "labelled:b", "--label", "team=app"]);
    const { stdout } = await at(["export", "--prefix", "labelled:", "--label", "team=web"]);
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).name),
    ).toEqual(["labelled:a"]);
  });
});

describe("export --to", () => {
  it("makes a file, and writes nothing over", async () => {
    const path = join(folder(), "out.ndjson");
    await at(["set", "once", "1"]);
    expect(await at(["export", "--prefix", "once", "--to", path])).toMatchObject({ code: 0, stdout: "" });
    expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ name: "once", value: "1" });
    expect([existsSync(`${path}.part`), existsSync(`${path}.part.state`)]).toEqual([false, false]);
    const again = await at(["export", "--to", path]);
    expect(again).toMatchObject({ code: EXIT.REFUSED, stderr: expect.stringContaining("is there already") });
  });

  it("goes on where a run before was killed, and writes anew what was not said to be there", async () => {
    const lines = Array.from({ length: 2_500 }, (_, i) => `paged:${i},${i}`);
    await at(["import", fileOf(`name,value\n${lines.join("\n")}`)]);
    const { stdout: whole } = await at(["export", "--prefix", "paged:"]);
    const path = join(folder(), "out");
    const client = new TallyClient({ server: server.address });
    const page = await client.call(RPC.listCounters, { prefix: "paged:", pageSize: 1_000 });
    client.close();
    const bytes = whole.split("\n").slice(0, 1_000).join("\n").length + 1;
    const of = { format: "ndjson", prefix: "paged:", labels: {}, server: server.address };
    const state = (more: object) =>
      writeFileSync(
        `${path}.part.state`,
        JSON.stringify({
          of: JSON.stringify(of),
          pid: 2 ** 30, // Nobody's.
          bytes,
          place: { pageToken: page.nextPageToken, counters: 1_000, corrupt: [] },
          ...more,
        }),
      );
    writeFileSync(`${path}.part`, `${whole.slice(0, bytes)}{"name":"hal`);
    state({ pid: process.pid });
    expect(await at(["export", "--prefix", "paged:", "--to", path])).toMatchObject({ code: EXIT.REFUSED });
    state({});
    const other = await at(["export", "--prefix", "paged:1", "--to", path]);
    expect(other).toMatchObject({ code: EXIT.REFUSED, stderr: expect.stringContaining("something else") });
    state({ pid: process.pid, since: "another start of the machine 1" }); // A number that came again.
    const { code, stderr } = await at(["export", "--prefix", "paged:", "--to", path]);
    expect(stderr).toMatch(/^Going on after 1,000 counters, which .*\nExported 2,500 counters, /);
    expect(code).toBe(0);
    expect(readFileSync(path, "utf8")).toBe(whole);
  });

  it("is refused where a link leads nowhere, and without a name", async () => {
    const path = join(folder(), "out");
    symlinkSync("nowhere", path);
    const refused = await at(["export", "--to", path]);
    expect(refused).toMatchObject({
      code: EXIT.REFUSED,
      stderr: expect.stringContaining("is there already"),
    });
    expect(readlinkSync(path)).toBe("nowhere");
    expect(await at(["export", "--to", ""])).toMatchObject({ code: EXIT.USAGE, stdout: "" });
  });

  it("is refused where something else is begun", async () => {
    const path = join(folder(), "out");
    writeFileSync(`${path}.part`, "mine");
    const { code, stderr } = await at(["export", "--to", path]);
    expect({ code, stderr }).toMatchObject({
      code: EXIT.REFUSED,
      stderr: expect.stringContaining(`rm ${path}.part`),
    });
    expect(readFileSync(`${path}.part`, "utf8")).toBe("mine");
  });
});

describe("import", () => {
  it("imports the same once, whatever was counted since; another under --import-id", async () => {
    const file = fileOf("name,value\nsame:a,5\nsame:b,6\n");
    expect(await importing(file)).toEqual({ ...NONE, made: 2 });
    await at(["inc", "same:a"]);
    expect(await importing(file)).toEqual({ ...NONE, before: 2 });
    expect((await at(["get", "same:a", "same:b", "-o", "value"])).stdout).toBe("6\n6\n");
    expect(await importing(file, "--import-id", "second")).toEqual({ ...NONE, set: 2 });
    expect((await at(["get", "same:a", "-o", "value"])).stdout).toBe("5\n");
  });

  it.each([[[]], [["--existing", "keep"]]])(
    "of counters that were deleted since says so, is no success, and makes them under --import-id %j",
    async (how) => {
      const prefix = `gone${how.length}:`;
      const lines = Array.from({ length: 300 }, (_, i) => `${prefix}${i},${i}`);
      const file = fileOf(`name,value\n${lines.join("\n")}\n`);
      expect(await importing(file, ...how)).toEqual({ ...NONE, made: 300 });
      expect(await at(["import", file, ...how])).toMatchObject({ code: 0 });
      await at(["delete", `${prefix}7`, `${prefix}299`, "--yes"]);
      await at(["inc", `${prefix}8`]);
      const again = await at(["import", file, ...how]);
      expect(again.code).toBe(EXIT.REFUSED);
      expect(again.stdout).toMatch(/^300 counters: 300 imported before, of which 2 not there now; /);
      expect(again.stderr).toMatch(/^tally: Of 300 imported before 2 are not there now: .*--import-id NEW/);
      expect((await at(["sum", prefix, "-o", "json"])).stdout).toContain('"count": "298"');
      expect(await json("import", file, ...how)).toMatchObject({ before: 300, gone: 2, unseen: 0 });
      const anew = [file, "--import-id", "anew", "--existing", "keep"];
      expect(await importing(...anew)).toEqual({ ...NONE, made: 2, kept: 298 });
      expect((await at(["get", `${prefix}7`, `${prefix}8`])).stdout).toBe("7\n9\n");
    },
  );

  it("does not know whether they are still there, nor fails, where its caller may not read", async () => {
    const denied = Object.assign(Object.create(CallError.prototype), { reason: "PERMISSION_DENIED" });
    const imported = new Imported(new Faults(() => {}));
    const before = new Before({ call: () => Promise.reject(denied) } as never, imported);
    for (let i = 0; i < 251; i++) await before.add(`n${i}`);
    await before.finish();
    expect(imported).toMatchObject({ before: 251, gone: 0, unseen: 251 });
    expect(goneIn(imported)).toBeUndefined();
    const end = { complete: true, dryRun: false, ms: 100 };
    expect(importedLine(imported, end)).toContain(
      "251 imported before (if still there takes the permission read);",
    );
  });

  it("by two at once sets each counter once", async () => {
    const lines = Array.from({ length: 3_000 }, (_, i) => `twice:${i},${i}`);
    const file = fileOf(`name,value\n${lines.join("\n")}\n`);
    const both = await Promise.all([importing(file), importing(file)]);
    expect(both[0]!.made + both[1]!.made).toBe(3_000);
    expect(both[0]!.before + both[1]!.before).toBe(3_000);
    const { stdout } = await at(["export", "--prefix", "twice:"]);
    const revisions = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).revision);
    expect(new Set(revisions)).toEqual(new Set(["1"]));
  });

  it("keeps what is there with --existing keep, also in a dry run", async () => {
    await at(["set", "kept:a", "1"]);
    const file = fileOf("name,value\nkept:a,5\nkept:b,6\nkept:b,7\n");
    expect(await importing(file, "--existing", "keep", "--dry-run")).toEqual({ ...NONE, kept: 2, made: 1 });
    expect(await importing(file, "--existing", "keep")).toEqual({ ...NONE, kept: 2, made: 1 });
    expect(await importing(file, "--existing", "keep")).toEqual({ ...NONE, kept: 2, before: 1 });
    expect((await at(["get", "kept:a", "kept:b", "-o", "value"])).stdout).toBe("1\n6\n");
  });

  it("--dry-run says what it would come to, and changes nothing", async () => {
    await at(["set", "dry:a", "1"]);
    await at(["set", "dry:b", "2"]);
    const file = fileOf("name,value\ndry:a,1\ndry:b,3\ndry:c,4\ndry:d,x\n");
    expect(await importing(file, "--dry-run")).toEqual({
      made: 1,
      set: 1,
      kept: 1,
      before: 0,
      notImported: { BAD_LINE: 1 },
    });
    expect((await at(["list", "dry:", "-o", "value"])).stdout).toBe("1\n2\n");
  });

  it("--dry-run judges bounds and monotonic, and each line after those before it", async () => {
    await at(["create", "see:max", "--max", "5"]);
    await at(["create", "see:up", "--monotonic", "--value", "5"]);
    const lines = [
      "see:max,6,",
      "see:max,5,",
      "see:up,4,",
      "see:up,9,",
      "see:up,8,",
      "see:new,3,2",
      "see:two,1,2",
    ];
    const file = fileOf(`name,value,max\n${[...lines, "see:two,3,", "see:two,2,"].join("\n")}\n`);
    const came = { ...NONE, made: 1, set: 3, notImported: { VALUE_OUTSIDE_BOUNDS: 3, MONOTONIC: 2 } };
    const dry = await at(["import", file, "--dry-run"]);
    expect(dry.stderr).toMatch(/^Not imported: line 2: see:max: value 6 is outside the bounds -2\^63 to 5/);
    expect(dry.stderr).toMatch(/^Not imported: line 6: see:up: The counter is monotonic: its value 9 never/m);
    expect(dry.code).toBe(EXIT.REFUSED);
    expect(await importing(file, "--dry-run")).toEqual(came);
    expect(await importing(file)).toEqual(came);
  });

  it("says so when there was nothing to read", async () => {
    for (const nothing of ["", "\n\n", "name,value\n"])
      expect(await at(["import", "-"], nothing)).toMatchObject({
        code: 0,
        stderr: "Nothing was read: standard input has no counters.\n",
      });
  });

  it("tells bad lines by number and imports nothing; the others with --skip-bad", async () => {
    const file = "name,value\nbad:a,1\nbad:b,x\nb d,1\nbad:c,3\n";
    const refused = await at(["import", "-"], file);
    expect(refused).toMatchObject({ code: EXIT.REFUSED, stdout: "" });
    expect(refused.stderr).toMatch(/^Not imported: line 3: value: .*\nNot imported: line 4: name must be /);
    expect(refused.stderr).toMatch(/^tally: 2 of 4 lines cannot be read, so nothing was imported\./m);
    expect((await at(["list", "bad:", "-o", "name"])).stdout).toBe("");
    const skipped = await at(["import", "-", "--skip-bad"], file);
    expect(skipped).toMatchObject({ code: EXIT.REFUSED });
    expect(skipped.stdout).toMatch(/^4 counters: 2 made, 2 not imported \(2 BAD_LINE\); /);
    expect((await at(["list", "bad:", "-o", "name"])).stdout).toBe("bad:a\nbad:c\n");
  });

  it("imports nothing while a name is too long with its prefix; the others with --skip-bad", async () => {
    const file = fileOf(`name,value\na,1\n${"n".repeat(197)},2\n`);
    const args = ["import", file, "--prefix", "lng:"];
    const refused = await at(args);
    expect(refused).toMatchObject({ code: EXIT.REFUSED, stdout: "" });
    expect(refused.stderr).toMatch(/^Not imported: line 3: name must be 1 to 200 bytes /);
    const left = { notImported: { BAD_LINE: 1 } };
    expect(await importing(...args.slice(1), "--dry-run")).toEqual({ ...NONE, made: 1, ...left });
    expect((await at(["list", "lng:", "-o", "name"])).stdout).toBe("");
    expect(await importing(...args.slice(1), "--skip-bad")).toEqual({ ...NONE, made: 1, ...left });
  });

  it("tells by line what the server refuses, imports the others, and exits with 4", async () => {
    await at(["create", "full", "--max", "5"]);
    const file = fileOf(
      [
        '{"name":"full","value":6}',
        '{"name":"shape","value":1,"labels":{"BAD KEY":"x"}}',
        '{"name":"good","value":1}',
        `{"name":"long","value":1,"description":"${"x".repeat(70_000)}"}`,
      ].join("\n"),
    );
    const { code, stdout, stderr } = await at(["import", file, "-o", "json"]);
    expect(JSON.parse(stdout)).toMatchObject({
      made: 1,
      notImported: { VALUE_OUTSIDE_BOUNDS: 1 },
      counters: 4,
    });
    expect(stderr).toMatch(/^Not imported: line 1: full: value 6 is outside the bounds/m);
    expect(stderr).toMatch(/^Not imported: line 2: shape: labels\["BAD KEY"\] must/m);
    expect(stderr).toMatch(/^Not imported: line 4: /m);
    expect(code).toBe(EXIT.REFUSED);
    expect((await at(["get", "good", "-o", "value"])).stdout).toBe("1\n");
  });

  it("begins a refill anew, and takes along what a policy has set, but not that it is followed", async () => {
    const client = new TallyClient({ server: timed.address });
    const refill = { amount: 1n, every: { seconds: 20n } };
    await client.call(RPC.setPolicy, { prefix: "from:", settings: { min: 0n, max: 100n, refill } });
    await client.call(RPC.setPolicy, { prefix: "to:", settings: { max: 7n } });
    await client.call(RPC.increment, { name: "from:x", amount: 10n });
    clock.advance(15_000);
    const env = { TALLY_SERVER: timed.address };
    const { stdout } = await tally(["export", "--prefix", "from:"], { env });
    expect(JSON.parse(stdout)).toMatchObject({ policy: "from:", max: "100" });
    const ran = await tally(["import", "-"], { env, input: stdout.replaceAll("from:", "to:") });
    expect(ran).toMatchObject({ code: 0 });
    const counterOf = async (name: string) => (await client.call(RPC.getCounter, { name })).counter!;
    const values = async () => [(await counterOf("from:x")).value, (await counterOf("to:x")).value];
    clock.advance(5_000);
    expect(await values()).toEqual([9n, 10n]);
    clock.advance(15_000);
    expect(await values()).toEqual([9n, 9n]);
    const made = await counterOf("to:x");
    expect(made).toMatchObject({ max: 100n, refill });
    expect(made.policy).toBeUndefined();
    client.close();
  });

  it("puts a prefix before names, and leaves settings to the policy for them", async () => {
    await at(["policy", "set", "pre:", "--max", "7"]);
    await at(["import", "-", "--prefix", "pre:"], "name,value\na,1\n");
    expect(await json("get", "pre:a")).toMatchObject({ value: "1", max: "7", policy: "pre:" });
  });

  it.each([
    [["import"], "Say what to import"],
    [["import", "-", "--prefix", "b d"], "--prefix: expected printable ASCII"],
    [["import", "-", "--note", "x".repeat(201)], "--note: expected at most 200 bytes"],
    [["import", "-", "--note", "x", "--existing", "keep"], "--note is of counters that are set"],
    [["import", "-", "--existing", "add"], "Allowed choices are set, keep."],
  ])("usage: %j", async (args, sentence) => {
    const ran = await at(args, "");
    expect(ran).toMatchObject({ code: EXIT.USAGE, stdout: "" });
    expect(ran.stderr).toContain(sentence);
  });
});
