/** Named servers: the user's file, and which server a command talks to. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { writeContexts } from "../../src/cli/contexts.ts";
import { EXIT } from "../../src/cli/exit.ts";
import { type resolveServer as Resolve, resolveServer } from "../../src/cli/resolve-server.ts";
import { folder, tally } from "./cli.ts";

describe("which server a command talks to", () => {
  const FILE = `current = "used"

[contexts.used]
server = "used:1"

[contexts.other]
server = "other:2"
`;
  const cases: readonly [string, Parameters<typeof Resolve>[0], NodeJS.ProcessEnv, string][] = [
    ["the context in use", {}, {}, "used:1"],
    ["TALLY_CONTEXT before it", {}, { TALLY_CONTEXT: "other" }, "other:2"],
    ["TALLY_SERVER before it", {}, { TALLY_SERVER: "env:3" }, "env:3"],
    ["--context before the environment", { context: "other" }, { TALLY_SERVER: "env:3" }, "other:2"],
    ["--server before the environment", { server: "flag:4" }, { TALLY_CONTEXT: "other" }, "flag:4"],
    ["an empty variable is none", {}, { TALLY_SERVER: "", TALLY_CONTEXT: "" }, "used:1"],
    ["8080 where no port is said", { server: "flag" }, {}, "flag:8080"],
    ["an IPv6 address in brackets", { server: "[::1]:9" }, {}, "[::1]:9"],
    ["TLS where https:// is said", { server: "https://flag:4" }, {}, "https://flag:4"],
    ["the port of URLs in a URL", { server: "https://[::1]/" }, {}, "https://[::1]:443"],
    ["plaintext where http:// is said", { server: "http://flag" }, {}, "flag:80"],
  ];
  it.each(cases)("%s", async (_, flags, env, expected) => {
    const home = folder();
    mkdirSync(join(home, "tally"));
    writeFileSync(join(home, "tally/config.toml"), FILE);
    expect(await resolveServer(flags, { ...env, XDG_CONFIG_HOME: home }, notWarned)).toEqual({
      server: expected,
      ca: undefined,
      apiKey: undefined,
      plaintextKey: false,
    });
  });

  it("127.0.0.1:8080 when nothing is said", async () => {
    expect(await resolveServer({}, { XDG_CONFIG_HOME: folder() }, notWarned)).toMatchObject({
      server: "127.0.0.1:8080",
      ca: undefined,
    });
  });

  it.each([
    [{ server: "a:1", context: "b" }, EXIT.USAGE, "two answers to one question"],
    [{ server: "a:0" }, EXIT.USAGE, '"a:0" is no server'],
    [{ server: "https://a/path" }, EXIT.USAGE, '"https://a/path" is no server'],
    [{ server: "https://u:geheim@a" }, EXIT.USAGE, '"https://u:***@a" is no server'],
    [{ context: "https://u:geheim@a" }, EXIT.CONFIG, "There is no context https://u:***@a in "],
    [{ server: "ftp://a:1" }, EXIT.USAGE, '"ftp://a:1" is no server'],
    [{ server: "a:1", caFile: "ca.pem" }, EXIT.USAGE, "--ca-file is for TLS, and a:1 is not"],
    [{ server: "https://a", caFile: "/none" }, EXIT.CONFIG, "The CA file /none cannot be read: ENOENT"],
    [{ context: "none" }, EXIT.CONFIG, "There is no context none in "],
  ])("%j is refused", async (flags, exit, sentence) => {
    const refused = resolveServer(flags, { XDG_CONFIG_HOME: folder() }, notWarned);
    await expect(refused).rejects.toMatchObject({ exit, message: expect.stringContaining(sentence) });
  });
});

describe("tally config", () => {
  it("set, list, use and remove", async () => {
    const { config } = configs();
    expect(await config("list", "-o", "name")).toMatchObject({ code: 0, stdout: "" });
    expect(await config("set", "prod", "counters.example:9000")).toMatchObject({ code: 0, stderr: "" });
    await config("set", "local", "127.0.0.1");
    expect(await config("use", "local")).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect(JSON.parse((await config("list", "-o", "json")).stdout)).toEqual([
      { name: "prod", server: "counters.example:9000", current: false },
      { name: "local", server: "127.0.0.1:8080", current: true },
    ]);
    expect(await config("remove", "local")).toMatchObject({
      code: 0,
      stderr: "No context is in use now; choose one with: tally config use NAME\n",
    });
    expect((await config("list")).stdout).toBe(
      "NAME  SERVER                 CURRENT\nprod  counters.example:9000\n",
    );
  });

  it.each([
    [
      ["use", "none"],
      EXIT.CONFIG,
      /There is no context none in .*; make it with: tally config set none HOST:PORT\./,
    ],
    [["remove", "none"], EXIT.CONFIG, /There is no context none/],
    [["set", "a b", "h:1"], EXIT.USAGE, /"a b" is no name of a context/],
    [["set", "__proto__", "h:1"], EXIT.USAGE, /"__proto__" is no name of a context/],
    [["set", "a", "h:99999"], EXIT.USAGE, /"h:99999" is no server/],
    [["lst"], EXIT.USAGE, /unknown command 'lst' \(Did you mean list\?\)/],
  ])("%j changes nothing", async (args, code, sentence) => {
    const { config, path } = configs();
    const ran = await config(...args);
    expect([ran.code, ran.stdout]).toEqual([code, ""]);
    expect(ran.stderr).toMatch(sentence);
    expect(() => statSync(path)).toThrow("ENOENT");
  });

  it.each([
    ["current = ", /is not valid TOML: (?!Invalid).* \(line 1\)\.$/m],
    ["current = 7", /has a current that is no text/],
    ['contexts = "prod"', /has contexts that are no table/],
    ["[contexts.prod]\nserver = 8080", /has a context prod without a server/],
  ])("a file with %j in it is refused, and stays as it is", async (text, sentence) => {
    const { config, path, home } = configs();
    mkdirSync(join(home, "tally"));
    writeFileSync(path, text);
    const ran = await config("set", "prod", "h:1");
    expect(ran.code).toBe(EXIT.CONFIG);
    expect(ran.stderr).toMatch(sentence);
    expect(readFileSync(path, "utf8")).toBe(text);
  });
});

describe("the file", () => {
  it("says when the environment goes before the context that was chosen", async () => {
    const { home } = configs();
    const use = (env: NodeJS.ProcessEnv) =>
      tally(["config", "use", "local"], { env: { XDG_CONFIG_HOME: home, ...env } });
    await tally(["config", "set", "local", "127.0.0.1"], { env: { XDG_CONFIG_HOME: home } });
    expect((await use({ TALLY_SERVER: "a:1" })).stderr).toBe(
      "But TALLY_SERVER is set here, and goes first; unset it.\n",
    );
    expect((await use({ TALLY_SERVER: "" })).stderr).toBe("");
  });

  it("is for its owner only, also when it was not before, and keeps what is not ours", async () => {
    const { config, path, home } = configs();
    mkdirSync(join(home, "tally"));
    writeFileSync(path, 'color = "red"\n[contexts.prod]\nserver = "h:1"\ntoken = "t"\n');
    chmodSync(path, 0o644);
    await config("set", "prod", "h:2");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const text = readFileSync(path, "utf8");
    expect(text).toMatch(/^color = "red"$/m);
    expect(text).toMatch(/^\[contexts\.prod\]\nserver = "h:2"\ntoken = "t"$/m);
    expect(readdirSync(join(home, "tally"))).toEqual(["config.toml"]);
  });

  it("in a folder that is made for it, others may not look", async () => {
    const { config, home } = configs();
    await config("set", "prod", "h:1");
    expect(statSync(join(home, "tally")).mode & 0o777).toBe(0o700);
  });

  it("may be a link to a file elsewhere, and stays one", async () => {
    const { config, path, home } = configs();
    const elsewhere = join(folder(), "dotfile.toml");
    writeFileSync(elsewhere, "");
    mkdirSync(join(home, "tally"));
    symlinkSync(elsewhere, path);
    await config("set", "prod", "h:1");
    expect(lstatSync(path).isSymbolicLink()).toBe(true);
    expect(readFileSync(elsewhere, "utf8")).toContain('server = "h:1"');
  });

  it("is never half written: a reader sees one state or the other", async () => {
    const path = join(folder(), "config.toml");
    const long = Object.fromEntries(
      Array.from({ length: 2_000 }, (_, i) => [`c${i}`, { server: `h:${i + 1}` }]),
    );
    const { parse } = await import("smol-toml");
    await writeContexts(path, { contexts: long });
    const writing = (async () => {
      for (let i = 0; i < 10; i++) await writeContexts(path, { current: `c${i}`, contexts: long });
    })();
    let done = false;
    void writing.finally(() => {
      done = true;
    });
    let reads = 0;
    while (!done) {
      const { contexts } = parse(readFileSync(path, "utf8")) as { contexts: object };
      expect(Object.keys(contexts)).toHaveLength(2_000);
      reads++;
      await new Promise(setImmediate);
    }
    await writing;
    expect(reads).toBeGreaterThan(10);
  });

  it("that cannot be written is told", async () => {
    const { config, home } = configs();
    symlinkSync("/nonexistent/folder", join(home, "tally"));
    const ran = await config("set", "prod", "h:1");
    expect(ran.code).toBe(EXIT.CONFIG);
    expect(ran.stderr).toMatch(
      /^tally: The file .*\/tally\/config\.toml cannot be written: .*; it is as it was\.\n$/,
    );
  });
});

function notWarned(sentence: string): never {
  throw new Error(`warned: ${sentence}`);
}

function configs() {
  const home = folder();
  const config = (...args: string[]) => tally(["config", ...args], { env: { XDG_CONFIG_HOME: home } });
  return { home, path: join(home, "tally/config.toml"), config };
}
