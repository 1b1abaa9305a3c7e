/** inc, dec, set, reset and get: what is printed where, and the exit codes. */
import { describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { serverForTests, tally } from "./cli.ts";

const server = serverForTests();
const at = (...args: string[]) => tally(args, { env: { TALLY_SERVER: server.address } });
const printed = (stdout: string, stderr = "") => ({ code: EXIT.OK, signal: null, stdout, stderr });
const failed = (code: number, sentence: string) => ({
  code,
  signal: null,
  stdout: "",
  stderr: `tally: ${sentence}\n`,
});

describe("the value is printed, and nothing else", () => {
  it("by inc, dec, set, reset and get", async () => {
    expect(await at("inc", "visits")).toEqual(printed("1\n"));
    expect(await at("inc", "visits", "41")).toEqual(printed("42\n"));
    expect(await at("dec", "visits", "2")).toEqual(printed("40\n"));
    expect(await at("set", "visits", "-5")).toEqual(printed("-5\n"));
    expect(await at("get", "visits")).toEqual(printed("-5\n"));
    expect(await at("reset", "visits")).toEqual(printed("0\n"));
  });

  it("to the last digit, at both ends of 64 bits", async () => {
    for (const edge of ["9223372036854775807", "-9223372036854775808"]) {
      expect(await at("set", "edge", edge)).toEqual(printed(`${edge}\n`));
      const { stdout } = await at("get", "edge", "-o", "json");
      expect(JSON.parse(stdout).value).toBe(edge);
    }
  });

  it("by none that changes, with --quiet", async () => {
    expect(await at("inc", "quiet", "3", "-q")).toEqual(printed(""));
    expect(await at("get", "quiet", "--quiet")).toEqual(printed("3\n"));
  });
});

describe("--if-missing", () => {
  it("is what the counter gets that the command makes, and nothing to one that is there", async () => {
    const quota = ["max=5", "window=day", "zone=UTC", "label=a=b", "label=c=d", "history=none", "monotonic"];
    const options = quota.flatMap((each) => ["--if-missing", each]);
    expect(await at("inc", "made", "3", ...options)).toEqual(printed("3\n"));
    const shown = async () => JSON.parse((await at("get", "made", "-o", "json")).stdout);
    const settings = {
      max: "5",
      window: { timeZone: "UTC" },
      labels: { a: "b", c: "d" },
      history: false,
      monotonic: true,
    };
    expect(await shown()).toMatchObject({ ...settings, value: "3", settingsRevision: "1" });
    expect(await at("set", "made", "4", "--if-missing", "max=9")).toEqual(printed("4\n"));
    expect(await shown()).toMatchObject({ ...settings, value: "4" });
    expect(await at("set", "made2", "4", "--if-missing", "max=3")).toMatchObject({ code: EXIT.REFUSED });
  });

  it("does not go with --must-exist", async () => {
    const ran = await at("inc", "none", "--must-exist", "--if-missing", "monotonic");
    expect(ran).toMatchObject({ code: EXIT.USAGE, stdout: "" });
    expect(ran.stderr).toContain("does not go with must_exist");
  });

  it.each([
    [["max=5", "initial=6"], "n: --if-missing initial 6 is outside the bounds -2^63 to 5", EXIT.REFUSED],
    [
      ["window=day", "zone=Mars/Olympus"],
      "--if-missing zone must be a time zone that this server",
      EXIT.USAGE,
    ],
    [["window=day", "zone=+02:00"], "--if-missing zone must be the IANA name of a time zone", EXIT.USAGE],
    [["refill=1/1s"], "n: --if-missing refill needs min and max", EXIT.REFUSED],
    [["label=A=b"], '--if-missing labels["A"] must have a key', EXIT.USAGE],
  ] as const)("says which option is at fault: %j", async (settings, says, code) => {
    const ran = await at("inc", "n", ...settings.flatMap((each) => ["--if-missing", each]));
    expect([ran.code, ran.stdout]).toEqual([code, ""]);
    expect(ran.stderr).toContain(says);
  });

  it.each(["max", "max=x", "monotonic=yes", "history=some", "value=3", "=3", ""])(
    "refuses %j",
    async (setting) => {
      const ran = await at("inc", "none", "--if-missing", setting);
      expect(ran).toMatchObject({ code: EXIT.USAGE, stdout: "" });
      expect(ran.stderr).toContain("Expected");
    },
  );
});

describe("-o", () => {
  it("json gives the outcome as Protobuf's JSON mapping has it, zeros included", async () => {
    const { stdout } = await at("inc", "json", "-o", "json");
    expect(JSON.parse(stdout)).toEqual({
      name: "json",
      value: "1",
      previous: "0",
      revision: "1",
      etag: expect.any(String),
      time: expect.stringMatching(/Z$/),
      headroomUp: "9223372036854775806",
      headroomDown: "9223372036854775809",
      replayed: false,
    });
  });

  it("yaml says the same, and its numbers are strings too", async () => {
    const { stdout } = await at("set", "yaml", "7", "-o", "yaml");
    expect(stdout).toMatch(/^name: yaml\nvalue: "7"\nprevious: "0"\n/);
  });

  it("table is for people", async () => {
    const { stdout } = await at("set", "table", "7", "-o", "table");
    expect(stdout).toMatch(/^name {7}table\nvalue {6}7\nprevious {3}0\nroom up {4}9223372036854775800\n/);
  });
});

describe("a request id", () => {
  it("counts once, however often the command is run, and says so", async () => {
    expect(await at("inc", "orders", "5", "--request-id", "order-17")).toEqual(printed("5\n"));
    expect(await at("inc", "orders", "5", "--request-id", "order-17")).toEqual(
      printed("5\n", "orders: this request id was answered before; nothing was changed now.\n"),
    );
    expect(await at("get", "orders")).toEqual(printed("5\n"));
  });

  it("is refused for another request", async () => {
    await at("inc", "reused", "--request-id", "a");
    const { code, stderr } = await at("inc", "reused", "2", "--request-id", "a");
    expect(code).toBe(EXIT.REFUSED);
    expect(stderr).toMatch(/^tally: This request_id was used for another request, which differs in amount;/);
  });
});

describe("what cannot be done ends in its exit code and one sentence", () => {
  const missing = (name: string) =>
    failed(EXIT.NOT_FOUND, `There is no counter ${name}. Make it with: tally create ${name}`);

  it("no such counter", async () => {
    expect(await at("get", "nobody")).toEqual(missing("nobody"));
    expect(await at("dec", "nobody")).toEqual(missing("nobody"));
    expect(await at("inc", "nobody", "--must-exist")).toEqual(missing("nobody"));
    expect(await at("set", "nobody", "1", "--must-exist")).toEqual(missing("nobody"));
  });

  it("at a bound", async () => {
    await at("create", "seats", "--min", "0", "--max", "2");
    expect(await at("dec", "seats")).toEqual(
      failed(EXIT.REFUSED, "seats: 0 - 1 is below the minimum 0; the value stays 0."),
    );
    expect(await at("inc", "seats", "3")).toEqual(
      failed(EXIT.REFUSED, "seats: 0 + 3 is above the maximum 2; the value stays 0."),
    );
  });

  it("stopped at a bound is done, and said", async () => {
    await at("create", "load", "--max", "10", "--on-bound", "clamp");
    expect(await at("inc", "load", "15")).toEqual(
      printed("10\n", "load stopped at its bound 10: 10 of 15 applied.\n"),
    );
  });

  it("changed since it was read", async () => {
    const { stdout } = await at("set", "raced", "1", "-o", "json");
    const { etag } = JSON.parse(stdout);
    expect(await at("set", "raced", "2", "--etag", etag)).toEqual(printed("2\n"));
    const { code, stderr } = await at("reset", "raced", "--etag", etag);
    expect(code).toBe(EXIT.REFUSED);
    expect(stderr).toMatch(
      /^tally: raced has changed since; nothing was changed now\. .* \(its etag is now /,
    );
  });

  it("a name that no counter can have", async () => {
    const { code, stderr } = await at("inc", "two words");
    expect([code, stderr]).toEqual([
      EXIT.USAGE,
      expect.stringMatching(/^tally: name must be 1 to 200 bytes of printable ASCII/),
    ]);
  });

  it.each([
    [["inc", "visits", "0"], "tally: amount '0' is invalid. Expected"],
    [["inc", "visits", "-3"], "tally: amount '-3' is invalid. Expected"],
    [["inc", "visits", "1.5"], "tally: amount '1.5' is invalid. Expected"],
    [["set", "visits", "9223372036854775808"], "tally: value '9223372036854775808' is invalid. Expected"],
    [["set", "visits"], "missing required argument 'value'"],
    [["get", "visits", "-o", "xml"], "option '-o, --output <format>' argument 'xml' is invalid."],
    [["get", "visits", "--timeout", "5"], "Expected a duration from 1ms to 24h, such as 500ms or 1m30s."],
    [["get", "visits", "--server", "a b"], '"a b" is no server; expected HOST, HOST:PORT or [IPV6]:PORT'],
    [["inc", "visits", "--byy", "3"], "unknown option '--byy'"],
    [["incc", "visits"], "unknown command 'incc' (Did you mean inc?)"],
    [["help", "incc"], "unknown command 'incc' (Did you mean inc?)"],
    [["reset", "a", "b", "--etag", "x"], "--etag is about one counter; give one name, not 2."],
  ])("usage: %j", async (args, sentence) => {
    const ran = await at(...args);
    expect(ran).toMatchObject({ code: EXIT.USAGE, stdout: "" });
    expect(ran.stderr).toMatch(/^tally: .*\n$/); // One line.
    expect(ran.stderr).toContain(sentence);
  });
});

describe("several names", () => {
  it("are reset each, and what one cannot is told", async () => {
    await at("inc", "first");
    await at("inc", "second");
    expect(await at("reset", "first", "nobody", "second")).toEqual({
      code: EXIT.NOT_FOUND,
      signal: null,
      stdout: "0\n\n0\n", // Line N is that of name N.
      stderr: "tally: There is no counter nobody. Make it with: tally create nobody\n",
    });
    expect(await at("get", "second")).toEqual(printed("0\n"));
    const { stdout } = await at("reset", "first", "nobody", "second", "-o", "json");
    expect(JSON.parse(stdout)).toMatchObject([{ name: "first" }, { name: "second" }]);
    expect(await at("get", "first", "nobody", "second")).toMatchObject({
      code: EXIT.NOT_FOUND,
      stdout: "0\n\n0\n",
    });
  });
});

describe("help", () => {
  it.each([
    [["rm", "a"], "There is no command rm; type: tally delete. For the commands: tally help"],
    [["INCR", "a"], "There is no command INCR; type: tally inc. For the commands: tally help"],
    [["version"], "There is no command version; type: tally --version. For the commands: tally help"],
    [["gte", "a"], "unknown command 'gte' (Did you mean get?) For the commands: tally help"],
    [["nothing"], "unknown command 'nothing'. For the commands: tally help"],
    [["inc"], "missing required argument 'name'. For all that it can do: tally help inc"],
    [["get", "a", "--nope"], "unknown option '--nope'. For all that it can do: tally help get"],
    [["get", "a\u202e", "--\u009bx"], "unknown option '--\\x9bx'. For all that it can do: tally help get"],
  ])("%j is told what to type, and where help is", async (args, sentence) => {
    expect(await at(...args)).toMatchObject({ code: EXIT.USAGE, stdout: "", stderr: `tally: ${sentence}\n` });
  });

  it("the server and how to print may stand before the command", async () => {
    await at("set", "before", "7");
    const words = ["--server", server.address, "--output=json", "-q", "get", "before"];
    expect(JSON.parse((await tally(words)).stdout)).toMatchObject({ value: "7" });
    expect(await tally(["--server", server.address, "help", "get"])).toEqual(await at("help", "get"));
  });

  it("begins with examples, for each command, and both ways of asking are one", async () => {
    const { stdout: list } = await at("--help");
    const commands = [...list.matchAll(/^ {2}([a-z]+) {3,}[a-z]/gm)].map(([, name]) => name!);
    expect(commands).toEqual(expect.arrayContaining(["inc", "get", "list", "create", "serve", "completion"]));
    for (const command of commands) {
      const ran = await at("help", command);
      expect(ran.stdout).toMatch(/^Examples:\n {2}[^\n]*tally/);
      expect(ran.stdout).toContain(`Usage: tally ${command} `);
      expectTidy(ran.stdout);
      expect(ran).toMatchObject({ code: EXIT.OK, stderr: "" });
    }
    expect(await at("inc", "--help")).toEqual(await at("help", "inc"));
    expectTidy(list);
    for (const config of ["set", "use", "list", "path"])
      expectTidy((await at("config", config, "--help")).stdout);
  });

  /** It fits a terminal of 80 columns, and has no holes. */
  function expectTidy(help: string): void {
    expect(help.split("\n").filter((line) => line.length > 80)).toEqual([]);
    expect(help).not.toMatch(/\n\n\n/);
    expect(help).not.toBe("");
  }
});
