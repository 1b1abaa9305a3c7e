/** create, update, delete, list, top, sum and ping: what is printed where, and the exit codes. */
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { EXIT } from "../../src/cli/exit.ts";
import { serverForTests, shell, tally } from "./cli.ts";

const server = serverForTests();
const at = (...args: string[]) => tally(args, { env: { TALLY_SERVER: server.address } });
const json = async (...args: string[]) => JSON.parse((await at(...args, "-o", "json")).stdout);

describe("create and update", () => {
  it("a counter with every setting, and each of them changed", async () => {
    const settings = ["--min", "-5", "--max", "9", "--initial", "-2", "--on-bound", "clamp"];
    const more = ["--value", "3", "--label", "team=web", "--label", "env=a=b", "--description", "all pages"];
    expect(await json("create", "every", ...settings, ...more)).toMatchObject({
      value: "3",
      initial: "-2",
      min: "-5",
      max: "9",
      onBound: "ON_BOUND_CLAMP",
      monotonic: false,
      labels: { team: "web", env: "a=b" },
      description: "all pages",
    });
    const changes = ["--no-min", "--max", "99", "--initial", "0", "--on-bound", "reject", "--monotonic"];
    const updated = await json(
      "update",
      "every",
      ...changes,
      "--label",
      "env=prod",
      "--remove-label",
      "team",
    );
    expect(updated).toMatchObject({
      value: "3",
      initial: "0",
      max: "99",
      onBound: "ON_BOUND_REJECT",
      monotonic: true,
      labels: { env: "prod" },
      description: "all pages",
    });
    expect(updated).not.toHaveProperty("min");
  });

  it("labels that others set meanwhile stay", async () => {
    await at("create", "raced", "--label", "first=1");
    const keys = ["a", "b", "c"];
    await Promise.all(keys.map((key) => at("update", "raced", "--label", `${key}=1`)));
    expect((await json("get", "raced")).labels).toEqual({ first: "1", a: "1", b: "1", c: "1" });
  });

  it("what cannot be is refused, and changes nothing", async () => {
    await at("create", "held", "--value", "5", "--max", "10");
    const refused = await at("update", "held", "--max", "4");
    expect(refused).toMatchObject({ code: EXIT.REFUSED, stdout: "" });
    expect(refused.stderr).toMatch(/^tally: held: .*outside the bounds/);
    expect(await json("get", "held")).toMatchObject({ max: "10" });
    expect(await at("create", "held")).toMatchObject({
      code: EXIT.REFUSED,
      stderr:
        "tally: There is a counter held already; nothing was changed. Change its settings with: tally update held\n",
    });
    expect(await at("update", "nobody", "--max", "4")).toMatchObject({ code: EXIT.NOT_FOUND });
    const stale = await at("update", "held", "--max", "11", "--settings-etag", "old");
    expect(stale).toMatchObject({ code: EXIT.REFUSED, stdout: "" });
    expect(stale.stderr).toMatch(/^tally: held has changed since; .* \(its settings etag is now \S+\.s1\)$/m);
  });

  it.each([
    [["update", "x"], "Nothing to change"],
    [["update", "x", "--label", "a=b", "--request-id", "i"], "--request-id does not go with --label"],
    [["create", "x", "--label", "team"], "Expected key=value, such as team=web."],
    [["create", "x", "--label", "a=1", "--label", "a=2"], "The label a is given twice."],
    [["create", "x", "--on-bound", "stop"], "Allowed choices are reject, clamp."],
    [["create", "x", "--min", "5", "--max", "4"], "min must not be above max"],
  ])("usage: %j", async (args, sentence) => {
    const ran = await at(...args);
    expect(ran).toMatchObject({ code: EXIT.USAGE, stdout: "" });
    expect(ran.stderr).toContain(sentence);
  });
});

describe("delete", () => {
  it("prints the last value, and what cannot be deleted is told", async () => {
    await at("set", "gone:1", "7");
    await at("set", "gone:2", "8");
    expect(await at("delete", "gone:1", "nobody", "gone:2", "--yes")).toEqual({
      code: EXIT.NOT_FOUND,
      signal: null,
      stdout: "7\n\n8\n",
      stderr: "tally: There is no counter nobody. Make it with: tally create nobody\n",
    });
    expect((await at("list", "gone:", "-o", "name")).stdout).toBe("");
  });
});

describe("get, of several", () => {
  it("prints those that are there in order, and tells which are not", async () => {
    await at("set", "get:1", "1");
    await at("set", "get:2", "2");
    expect(await at("get", "get:2", "nobody", "get:1")).toEqual({
      code: EXIT.NOT_FOUND,
      signal: null,
      stdout: "2\n\n1\n",
      stderr: "tally: There is no counter nobody. Make it with: tally create nobody\n",
    });
    const all = await json("get", "get:1", "get:2");
    expect(all.map(({ name }: { name: string }) => name)).toEqual(["get:1", "get:2"]);
  });
});

describe("list, top and sum", () => {
  const NAMES = Array.from({ length: 60 }, (_, i) => `many:${String(i).padStart(2, "0")}`);
  const fill = async () => {
    const lines = NAMES.flatMap((name, i) => Array(i + 1).fill(name)).join("\n");
    await tally(["count", "-q"], { input: `${lines}\n`, env: { TALLY_SERVER: server.address } });
  };

  it("list gives a program all of them, and says when --limit leaves some out", async () => {
    await fill();
    expect(await at("list", "many:", "-o", "name")).toMatchObject({
      stdout: `${NAMES.join("\n")}\n`,
      stderr: "",
    });
    const first = await at("list", "many:", "--limit", "50", "-o", "name");
    expect(first.stdout).toBe(`${NAMES.slice(0, 50).join("\n")}\n`);
    expect(first.stderr).toBe("There are more: --limit N lists N of them, --all lists all.\n");
    expect((await at("list", "many:", "--limit", "2", "-q", "-o", "value")).stdout).toBe("1\n2\n");
  });

  it("top ranks, from either end", async () => {
    await fill();
    expect((await at("top", "many:", "-n", "2", "-o", "name")).stdout).toBe("many:59\nmany:58\n");
    expect((await at("top", "many:", "-n", "1", "--lowest", "-o", "name")).stdout).toBe("many:00\n");
  });

  it("sum is exact beyond 64 bits", async () => {
    await at("set", "huge:1", "9223372036854775807");
    await at("set", "huge:2", "9223372036854775807");
    expect((await at("sum", "huge:")).stdout).toBe("18446744073709551614\n");
    expect(await json("sum", "none:")).toEqual({ count: "0", sum: "0" });
  });

  it("labels select", async () => {
    await at("create", "web:1", "--label", "team=web", "--value", "4");
    await at("create", "ops:1", "--label", "team=ops", "--value", "5");
    expect((await at("list", "--label", "team=web", "-o", "name")).stdout).toBe("web:1\n");
    expect((await at("top", "--label", "team=ops", "-o", "value")).stdout).toBe("5\n");
    expect((await at("sum", "--label", "team=web")).stdout).toBe("4\n");
  });

  it("a table has its numbers to the right, and what others wrote cannot move the cursor", async () => {
    await at("create", "wide:1", "--label", "note=\x1b[2Jgone");
    await at("set", "wide:23", "-100");
    const { stdout } = await at("list", "wide:");
    const [head, one, two] = stdout.split("\n");
    expect(head).toBe("NAME     VALUE  MIN  MAX  CHANGED                   LABELS");
    expect(one).toMatch(/^wide:1 {7}0 {2}- {4}- {4}\S{24} {2}note=\\x1b\[2Jgone$/);
    expect(two).toMatch(/^wide:23 {3}-100 {2}- {4}- {4}\S{24}$/);
  });

  it("letters that turn a line around are escapes, in every format, and JSON and YAML still mean them", async () => {
    const written = "a\u202eb\u009b31mc\u2066\ufeff\u{e0041}";
    await at("create", "turned:1", "--label", "team=web", "--description", `${written} \u200d\u00e9`);
    const formats = [
      ["-o", "table"],
      ["-o", "json"],
      ["-o", "yaml"],
    ];
    const outputs = await Promise.all(formats.map((format) => at("get", "turned:1", ...format)));
    for (const { stdout } of outputs) expect(stdout).not.toMatch(/[\u202e\u009b\u2066\ufeff]|\u{e0041}/u);
    const [table, json, yaml] = outputs.map(({ stdout }) => stdout) as [string, string, string];
    expect(table).toContain("a\\u202eb\\x9b31mc\\u2066\\ufeff\\u{e0041} \u200d\u00e9");
    expect(JSON.parse(json).description).toBe(`${written} \u200d\u00e9`);
    expect(parse(yaml)).toEqual(JSON.parse(json));
  });

  it("an empty list is empty, and still JSON", async () => {
    expect((await at("list", "none:")).stdout).toBe("");
    expect(await json("list", "none:")).toEqual([]);
  });

  it("a list that is cut off by head ends quietly", async () => {
    const many = "for i in $(seq 5000); do echo cut:$i:$(printf %0100d $i); done | tally count -q";
    const line = `${many}; tally list cut: --all -o name | head -n 1; echo "\${PIPESTATUS[@]}"`;
    const ran = await shell(line, { env: { TALLY_SERVER: server.address } });
    expect(ran).toMatchObject({ stderr: "" });
    expect(ran.stdout).toMatch(new RegExp(`^cut:1000:0+1000\\n${EXIT.PIPE_CLOSED} 0\\n$`));
  });
});

describe("info", () => {
  it("is what the server is, in a table, in JSON, or its version alone", async () => {
    expect(await json("info")).toMatchObject({
      nodeVersion: process.version,
      store: "memory (nothing survives the process)",
      durability: "none",
      auth: "off",
      limits: { "queue-wait-max": "250ms", "change-log-bytes-max": "1073741824" },
      warnings: [],
    });
    const { stdout } = await at("info");
    expect(stdout).toMatch(/^auth +off$/m);
    expect(stdout).toMatch(/^warnings +none$/m);
    expect(stdout).toMatch(/^counters +(about )?\d+$/m);
    expect(stdout).toMatch(
      /^last minute +[\d.]+ calls a second, [\d.]+ of them refused; [\d.]+ operations in/m,
    );
    expect(stdout).toMatch(/^threads +main \d+ %, [\d.]+ MiB$/m);
    expect(await at("info", "-o", "value")).toMatchObject({ code: 0, stdout: "\n" }); // No version in the tests' process.
  });
});

describe("ping", () => {
  it("says whether a server serves", async () => {
    expect(await json("ping")).toEqual({
      server: server.address,
      status: "SERVING",
      milliseconds: expect.any(Number),
    });
    expect(await tally(["ping", "--server", "127.0.0.1:1"])).toMatchObject({ code: EXIT.UNAVAILABLE });
  });
});
