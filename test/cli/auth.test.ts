/** auth: principals, keys, bindings and who was refused, on a server that asks who calls. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { loadConfig } from "../../src/config.ts";
import { type RunningServer, startServer } from "../../src/server.ts";
import { NO_TELEMETRY } from "../../src/telemetry.ts";
import { TALLY } from "../support/bundles/command.ts";
import { describeWith } from "../support/needs.ts";
import { folder, serverForTests, tally } from "./cli.ts";
import { openTerminal, SCRIPT } from "./terminal.ts";

const ROOT_KEY = randomBytes(32).toString("base64url");
const files = mkdtempSync(join(tmpdir(), "tally-auth-"));
const rootKeyFile = join(files, "root.key");
let server: RunningServer;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  writeFileSync(rootKeyFile, `${ROOT_KEY}\n`, { mode: 0o600 });
  const flags = {
    listen: "127.0.0.1:0",
    store: "memory:",
    auth: "required",
    "root-key-file": rootKeyFile,
  };
  server = await startServer(loadConfig({ flags, env: {} }).config, { telemetry: NO_TELEMETRY });
  env = { TALLY_SERVER: `127.0.0.1:${server.address.port}`, TALLY_API_KEY_FILE: rootKeyFile };
});

afterAll(async () => {
  await server.close();
  rmSync(files, { recursive: true });
});

const at = (...args: string[]) => tally(args, { env });
const as = (key: string, ...args: string[]) =>
  tally(args, { env: { ...env, TALLY_API_KEY_FILE: "", TALLY_API_KEY: key } });
const json = async (...args: string[]) => JSON.parse((await at(...args, "-o", "json")).stdout);

/** A new key of a principal. */
async function keyOf(principal: string, ...args: string[]): Promise<string> {
  return (await at("auth", "key", "create", principal, ...args)).stdout.trim();
}

describe("a principal", () => {
  it("is made, read, listed, changed bit by bit, and deleted", async () => {
    const made = await at(
      "auth",
      "principal",
      "create",
      "p.one",
      "--grant",
      "read@a.",
      "--grant",
      "write@=b",
    );
    expect([made.code, made.stderr]).toEqual([0, "Give it a key with: tally auth key create p.one\n"]);
    expect(made.stdout).toMatch(
      /^name {5}p\.one\ngrants {3}read@a\. increment,decrement,set,create@=b\nrate {5}the server's\ncreated {2}\S+Z\netag {5}\S+\n$/,
    );
    expect(await at("auth", "principal", "create", "p.one")).toMatchObject({
      code: EXIT.REFUSED,
      stdout: "",
    });
    const update = (...args: string[]) => json("auth", "principal", "update", "p.one", ...args);
    expect(await update("--grant", "increment@a.", "--revoke-grant", "set,create@=b")).toMatchObject({
      grants: ["read,increment@a.", "increment,decrement@=b"],
      description: "",
    });
    expect(await update("--description", "one", "--calls", "5", "--operations", "100")).toMatchObject({
      grants: ["read,increment@a.", "increment,decrement@=b"],
      description: "one",
      rate: { calls: 5, operations: 100 },
    });
    expect(await update("--calls-burst", "50")).toMatchObject({
      rate: { calls: 5, callsBurst: 50, operations: 100 },
    });
    expect((await at("auth", "principal", "get", "p.one")).stdout).toMatch(
      /^rate {9}5 calls\/s, 50 at once; 100 operations\/s$/m,
    );
    expect(await update("--no-rate", "--disable")).toMatchObject({ disabled: true });
    expect(await json("auth", "principal", "get", "p.one")).not.toHaveProperty("rate.calls");
    expect((await at("auth", "principal", "list")).stdout).toMatch(
      /^p\.one +yes +\S+ +read,increment@a\. incr/m,
    );
    expect(await update("--enable")).toMatchObject({ disabled: false, description: "one" });
    expect((await at("auth", "principal", "list", "-o", "name")).stdout).toContain("p.one\n");
    expect(await at("auth", "principal", "delete", "p.one")).toMatchObject({
      code: EXIT.USAGE,
      stderr: expect.stringMatching(/^tally: Nobody is there to confirm it/),
    });
    expect(await at("auth", "principal", "delete", "p.one", "--yes")).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "p.one is deleted.\n",
    });
    expect(await at("auth", "principal", "get", "p.one")).toMatchObject({ code: EXIT.NOT_FOUND, stdout: "" });
  });

  it("two who change it at once both do, and an etag keeps one from it", async () => {
    await at("auth", "principal", "create", "p.raced");
    const { etag } = await json("auth", "principal", "get", "p.raced");
    const grants = ["a.", "b.", "c."].map((prefix) => `read@${prefix}`);
    await Promise.all(grants.map((grant) => at("auth", "principal", "update", "p.raced", "--grant", grant)));
    expect((await json("auth", "principal", "get", "p.raced")).grants.toSorted()).toEqual(grants);
    for (const args of [
      ["update", "p.raced", "--disable"],
      ["delete", "p.raced", "--yes"],
    ])
      expect(await at("auth", "principal", ...args, "--etag", etag)).toMatchObject({ code: EXIT.REFUSED });
  });

  it.each([
    [
      ["principal", "create", "p.bad", "--grant", "read@shop"],
      'tally: --grant "read@shop" must have a prefix that ends in',
    ],
    [["principal", "create", "p.bad", "--operations", "5"], "begins with calls: give --calls too"],
    [["principal", "create", "P.BAD"], "name"],
    [["principal", "update", "anonymous"], "Nothing to change"],
    [["principal", "update", "anonymous", "--disable", "--enable"], "--disable does not go with --enable"],
    [["principal", "update", "anonymous", "--calls", "1", "--no-rate"], "--no-rate"],
    [["can", "shop", "fly", "x"], "Allowed choices are read, increment"],
    [["can", "shop", "read"], "Give the name of a counter, or --prefix; one of them."],
    [["can", "shop", "read", "x", "--prefix", ""], "one of them"],
    [["bind", "shop"], "Give --certificate NAME or --oidc ALIAS:SUBJECT; one of them."],
    [["key", "create", "shop", "--ttl", "1s"], "Expected a duration from 1m to 3650d"],
    [["key", "revoke", "shop"], '"shop" is no id of a key'],
  ])("usage: auth %j", async (args, sentence) => {
    const ran = await at("auth", ...args);
    expect([ran.code, ran.stdout]).toEqual([EXIT.USAGE, ""]);
    expect(ran.stderr).toContain(sentence);
  });
});

describe("a key", () => {
  it("is printed alone and once, lets in, is listed by its id, and is revoked", async () => {
    await at("auth", "principal", "create", "k.shop", "--grant", "increment,create@k.");
    const made = await at("auth", "key", "create", "k.shop", "--ttl", "90d", "--description", "ci");
    expect(made.stdout).toMatch(/^tally_[0-9A-Za-z]{12}_\w+\n$/);
    const key = made.stdout.trim();
    const [, id = ""] = key.split("_");
    expect(made.stderr).toMatch(
      new RegExp(`^This is the key ${id} of k\\.shop, good until \\S+Z\\. It is not shown again\\.\n$`),
    );
    const list = () => at("auth", "key", "list", "k.shop");
    expect((await list()).stdout).toMatch(
      /^ID +PRINCIPAL +STATE +CREATED +EXPIRES +LAST USED +DESCRIPTION\n\S+ +k\.shop +good +\S+Z +\S+Z +- +ci\n$/,
    );
    expect(await as(key, "inc", "k.visits")).toMatchObject({ code: 0, stdout: "1\n" });
    expect((await list()).stdout).toMatch(/Z +\d{4}-\d\d-\d\dT\d\d:00Z +ci\n$/);
    expect(await as(key, "inc", "other")).toMatchObject({
      code: EXIT.AUTH,
      stderr: expect.stringMatching(
        /^tally: The caller may not do this to other: it lacks the permission increment\./,
      ),
    });
    expect(JSON.parse((await as(key, "auth", "whoami", "-o", "json")).stdout)).toMatchObject({
      name: "k.shop",
      grants: ["increment,create@k."],
      credential: "key",
      keyId: id,
    });
    expect((await as(key, "auth", "whoami")).stdout).toMatch(
      new RegExp(`^name +k\\.shop\ngrants +increment,create@k\\.\nby +key\nkey +${id}\ngood until +\\S+Z\n$`),
    );
    expect(await as(key, "auth", "principal", "list")).toMatchObject({
      code: EXIT.AUTH,
      stderr: expect.stringMatching(/lacks the permission admin\. .* --grant 'admin@'\n$/),
    });
    const second = await json("auth", "key", "create", "k.shop");
    expect(second).toMatchObject({ apiKey: { principal: "k.shop" }, key: expect.stringMatching(/^tally_/) });
    expect(await at("auth", "key", "revoke", key)).toMatchObject({
      code: EXIT.USAGE,
      stderr: expect.not.stringContaining(key),
    });
    expect((await at("auth", "key", "revoke", id)).stdout).toMatch(/^state +revoked$/m);
    expect((await at("auth", "key", "list", "k.shop")).stdout).toMatch(
      new RegExp(`^ID .*\n${second.apiKey.id} +k\\.shop +good .*\n${id} +k\\.shop +revoked .* ci\n$`),
    );
    const listed = await at("auth", "key", "list", "k.shop", "-o", "json");
    expect(listed.stdout).not.toContain(key.split("_")[2]);
    expect(await as(key, "inc", "k.visits")).toMatchObject({
      code: EXIT.AUTH,
      stderr: expect.stringMatching(/^tally: The API key was revoked/),
    });
    expect(await as(second.key, "inc", "k.visits")).toMatchObject({ stdout: "2\n" });
  });

  it("of several that are revoked, those that are none are told, and the others are", async () => {
    await at("auth", "principal", "create", "k.many");
    const id = (await keyOf("k.many")).split("_")[1]!;
    const ran = await at("auth", "key", "revoke", "000000000000", id, "-q");
    expect([ran.code, ran.stderr]).toEqual([
      EXIT.NOT_FOUND,
      expect.stringMatching(/^tally: No API key has this id/),
    ]);
    expect(await json("auth", "key", "list", "k.many")).toMatchObject([
      { id, revokeTime: expect.any(String) },
    ]);
  });

  it("of nobody is not made", async () => {
    expect(await at("auth", "key", "create", "k.none")).toMatchObject({ code: EXIT.NOT_FOUND, stdout: "" });
    await at("auth", "principal", "create", "k.bare");
    expect(await at("auth", "key", "list", "k.bare")).toMatchObject({
      stdout: "",
      stderr: "k.bare has no key. Make one with: tally auth key create k.bare\n",
    });
  });
});

describe("a binding", () => {
  it("is made, again without change, listed, and taken away", async () => {
    await at("auth", "principal", "create", "b.shop");
    const spiffe = ["--certificate", "spiffe://example.org/shop"];
    for (let times = 0; times < 2; times++)
      expect(await json("auth", "bind", "b.shop", ...spiffe)).toMatchObject({
        principal: "b.shop",
        certificate: "spiffe://example.org/shop",
      });
    await at("auth", "bind", "b.shop", "--oidc", "corp:00u1ab");
    expect((await at("auth", "bindings", "b.shop")).stdout).toMatch(
      /^KIND .*\ncertificate +spiffe:\/\/example\.org\/shop +b\.shop .*\noidc +corp:00u1ab +b\.shop .*\n$/,
    );
    await at("auth", "principal", "create", "b.other");
    expect(await at("auth", "bind", "b.other", ...spiffe)).toMatchObject({ code: EXIT.REFUSED, stdout: "" });
    expect(await at("auth", "unbind", ...spiffe)).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "spiffe://example.org/shop is nobody any more.\n",
    });
    expect(await at("auth", "unbind", ...spiffe)).toMatchObject({ code: EXIT.NOT_FOUND });
    expect((await at("auth", "bindings", "b.shop", "-o", "name")).stdout).toBe("corp:00u1ab\n");
  });
});

describe("can, and denied", () => {
  it("say whether somebody may, by which grant, and who was turned away", async () => {
    await at("auth", "principal", "create", "c.shop", "--grant", "increment@c.");
    expect(await at("auth", "can", "c.shop", "increment", "c.visits")).toMatchObject({
      code: 0,
      stdout: "yes\n",
    });
    expect((await at("auth", "can", "c.shop", "increment", "--prefix", "c.", "-o", "table")).stdout).toBe(
      "allowed  yes\nby       increment@c.\n",
    );
    expect(await at("auth", "can", "c.shop", "read", "--prefix", "")).toEqual({
      code: EXIT.FAILURE,
      signal: null,
      stdout: "no\n",
      stderr: "tally: c.shop may not read all counters.\n",
    });
    const key = await keyOf("c.shop");
    await as(key, "get", "c.visits");
    await as(key, "get", "c.visits");
    await as("tally_nobody", "get", "c.visits");
    const { stdout } = await at("auth", "denied");
    expect(stdout).toMatch(/^TIME .*\n\S+Z +1 +CREDENTIAL_INVALID +- .* GetCounter +-\n/);
    expect(stdout).toMatch(/^\S+Z +2 +PERMISSION_DENIED read +c\.shop .* GetCounter +c\.visits$/m);
    expect(await json("auth", "denied", "--max", "1")).toMatchObject([
      { reason: "CREDENTIAL_INVALID", count: "1" },
    ]);
  });

  it("a list is told where the caller may look", async () => {
    await at("auth", "principal", "create", "c.reader", "--grant", "read@c.", "--grant", "read@d.");
    const key = await keyOf("c.reader");
    const ran = await as(key, "list");
    expect(ran.code).toBe(EXIT.AUTH);
    expect(ran.stderr).toContain("It has that where names begin with c. or d.; nothing was changed.");
    expect(await as(key, "list", "c.")).toMatchObject({ code: 0 });
    const elsewhere = await as(key, "list", "e.f");
    expect(elsewhere.stderr).toMatch(/^tally: The caller may not do this: .* --grant 'read@e\.'\n$/);
  });
});

describe("who has no credential", () => {
  it("may what anonymous may, and else is told how to give a key", async () => {
    const nobody = (...args: string[]) => tally(args, { env: { TALLY_SERVER: env.TALLY_SERVER } });
    expect(await nobody("get", "public.visits")).toMatchObject({
      code: EXIT.AUTH,
      stderr: expect.stringMatching(
        /wants to know who calls, and no key was given\. Give one by --api-key-file FILE/,
      ),
    });
    expect(await nobody("ping", "-q")).toMatchObject({ code: 0 });
    await at("auth", "principal", "update", "anonymous", "--grant", "read@public.");
    expect(await nobody("list", "public.")).toMatchObject({ code: 0, stdout: "" });
    expect(await nobody("list", "secret.")).toMatchObject({
      code: EXIT.AUTH,
      stderr: expect.stringMatching(
        /^tally: No key was given: give one by --api-key-file FILE, .*'read@secret\.'/,
      ),
    });
    await at("auth", "principal", "update", "anonymous", "--revoke-grant", "read@public.");
    expect(await nobody("list", "public.")).toMatchObject({ code: EXIT.AUTH });
  });
});

describe("the Tab key", () => {
  it("knows principals, permissions and commands, and calls with the key", async () => {
    await at("auth", "principal", "create", "tab.shop", "--description", "the shop", "--grant", "write@tab.");
    const complete = async (...words: string[]) => (await at("complete", "--", ...words)).stdout;
    expect(await complete("auth", "principal", "get", "tab.")).toBe("tab.shop\tthe shop\n");
    expect(await complete("auth", "key", "create", "tab.s")).toBe("tab.shop\tthe shop\n");
    expect(await complete("auth", "can", "tab.shop", "incr")).toBe("increment\t\n");
    expect(await complete("auth", "princ")).toMatch(/^principal\twho may call/);
    await at("inc", "tab.visits");
    expect(await complete("get", "tab.")).toBe("tab.visits\t1\n");
    expect(await complete("get", "--api-key-file", "-", "tab.")).toBe("");
  });
});

describe("a server that asks nobody", () => {
  const asking = serverForTests();
  it("says so, and what to do", async () => {
    const ran = await tally(["auth", "whoami"], { env: { TALLY_SERVER: asking.address } });
    expect([ran.code, ran.stdout]).toEqual([EXIT.FAILURE, ""]);
    expect(ran.stderr).toMatch(
      /does not ask who calls: its setting auth is off, and .* is served only while it is on\./,
    );
  });
});

describeWith([SCRIPT], "at a terminal", () => {
  it("a principal is deleted when its name is typed", async () => {
    await at("auth", "principal", "create", "t.shop");
    const ask = () =>
      openTerminal([process.execPath, TALLY, "auth", "principal", "delete", "t.shop"], {
        env,
        cwd: folder(),
      });
    const wrong = ask();
    await wrong.shows(/This deletes t\.shop for good, with its keys and bindings.*Type its name to go on: /);
    wrong.type("shop\r");
    await wrong.shows("That is not its name; t.shop is not deleted.");
    const right = ask();
    await right.shows("Type its name");
    right.type("t.shop\r");
    await right.shows("t.shop is deleted.");
    expect(await right.ended).toBe(0);
    expect(await at("auth", "principal", "get", "t.shop")).toMatchObject({ code: EXIT.NOT_FOUND });
  });
});

describe("an import", () => {
  const importing = async (key: string, file: string, ...args: string[]) => {
    const ran = await as(key, "import", file, "-o", "json", ...args);
    const { made, set, before, notImported } = JSON.parse(ran.stdout);
    return { code: ran.code, stderr: ran.stderr, came: { made, set, before, notImported } };
  };
  const fileOf = (text: string) => {
    const path = join(folder(), "counters");
    writeFileSync(path, text);
    return path;
  };

  it("tells the line that its caller may not set, and imports the others, each once, whatever it may later", async () => {
    await at("auth", "principal", "create", "imp", "--grant", "set,create@im.a.");
    const key = await keyOf("imp");
    const file = fileOf("name,value\nim.b.1,1\nim.a.1,2\nim.b.2,3\nim.a.2,4\nim.a.3,5\n");
    const denied = { PERMISSION_DENIED: 2 };
    const first = await importing(key, file);
    expect(first.came).toEqual({ made: 3, set: 0, before: 0, notImported: denied });
    expect(first.code).toBe(EXIT.REFUSED);
    expect(first.stderr).toMatch(/^Not imported: line 2: im\.b\.1: .*\nNot imported: line 4: im\.b\.2: /);
    for (const name of ["im.a.1", "im.a.2", "im.a.3"]) await at("inc", name);
    expect((await importing(key, file)).came).toEqual({ made: 0, set: 0, before: 3, notImported: denied });
    await at("auth", "principal", "update", "imp", "--grant", "set,create@im.");
    const all = { made: 2, set: 0, before: 3, notImported: {} };
    expect(await importing(key, file)).toMatchObject({ code: 0, came: all });
    expect((await importing(key, file)).came).toEqual({ ...all, made: 0, before: 5 });
    const values = (await at("get", "im.a.1", "im.a.2", "im.a.3", "im.b.1", "im.b.2", "-o", "value")).stdout;
    expect(values).toBe("3\n5\n6\n1\n3\n");
  });

  it("of all that it may not set any more sets nothing again", async () => {
    await at("auth", "principal", "create", "less", "--grant", "set,create@le.");
    const key = await keyOf("less");
    const file = fileOf("name,value\nle.a.1,1\nle.b.1,2\nle.a.2,3\n");
    expect((await importing(key, file)).came).toMatchObject({ made: 3 });
    await at(
      "auth",
      "principal",
      "update",
      "less",
      "--grant",
      "set,create@le.a.",
      "--revoke-grant",
      "set,create@le.",
    );
    await at("inc", "le.a.1");
    expect((await importing(key, file)).came).toEqual({
      ...{ made: 0, set: 0, before: 2 },
      notImported: { PERMISSION_DENIED: 1 },
    });
    expect((await at("get", "le.a.1", "-o", "value")).stdout).toBe("2\n");
  });

  it("needs set, create to make counters, and manage where a line has settings", async () => {
    await at("create", "nd.src", "--max", "5", "--value", "1");
    const line = (await at("export", "--prefix", "nd.src")).stdout;
    await at("auth", "principal", "create", "needs", "--grant", "set@nd.");
    const key = await keyOf("needs");
    const csv = fileOf("name,value\nnd.new,3\n");
    const ndjson = fileOf(line.replace("nd.src", "nd.copy"));
    const grants = ["set@nd.", "set,create@nd.", "set,create,manage@nd."];
    const made: number[][] = [];
    for (const grant of grants) {
      await at("auth", "principal", "update", "needs", "--grant", grant);
      made.push([(await importing(key, csv)).came.made, (await importing(key, ndjson)).came.made]);
    }
    expect(made).toEqual([
      [0, 0],
      [1, 0],
      [0, 1],
    ]);
  });
});
