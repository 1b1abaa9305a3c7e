/** import --redis: what INCR has made in a real Redis, each key once, and what is no counter is told. */
import { once } from "node:events";
import { cpSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { dirname, join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { TALLY } from "../support/bundles/command.ts";
import { describeWith } from "../support/needs.ts";
import { REDIS, redisForTest } from "../support/redis.ts";
import { folder, run, serverForTests, tally } from "./cli.ts";

const server = serverForTests();
const at = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  tally(args, { env: { TALLY_SERVER: server.address, ...env } });
const json = async (...args: string[]) => JSON.parse((await at([...args, "-o", "json"])).stdout);
const values = async (prefix: string) =>
  Object.fromEntries(
    (await json("list", prefix)).map(({ name, value }: { name: string; value: string }) => [name, value]),
  );

/** A Redis whose connections break when a command comes so many times, until `never` is called. */
async function cutBefore(url: string, command: string, times: number) {
  let left = times;
  const server = createServer((client) => {
    const behind = connect(Number(new URL(url).port), "127.0.0.1");
    for (const socket of [client, behind]) socket.on("error", () => {});
    client.on("data", (bytes) => {
      left -= bytes.toString("latin1").split(command).length - 1;
      if (left <= 0) client.destroy();
      else behind.write(bytes);
    });
    behind.pipe(client);
    client.on("close", () => behind.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const never = () => {
    left = Number.POSITIVE_INFINITY;
  };
  return { url: `redis://127.0.0.1:${port}`, never };
}

describeWith([REDIS], "import --redis", () => {
  it("takes whole numbers by pattern, exactly, and tells what else there is", async () => {
    const redis = await redisForTest();
    await redis.ask("MSET shop:a 5 shop:max 9223372036854775807 shop:min -9223372036854775808 other 1");
    await redis.ask("MSET shop:text hello shop:float 1.5 shop:zeros 007 shop:big 9223372036854775808");
    await redis.ask('SET "shop:caf\\xc3\\xa9" 3');
    await redis.ask('SET "shop:\\xff\\xfe %" 4');
    await redis.ask("LPUSH shop:list 1");
    const args = ["import", "--redis", redis.url, "--match", "shop:*"];
    const dry = await json(...args, "--dry-run");
    expect(dry).toMatchObject({ made: 5, notImported: { NOT_A_NUMBER: 5 } });
    expect(await values("shop:")).toEqual({});
    const { code, stderr } = await at(args);
    expect(code).toBe(EXIT.REFUSED);
    expect(stderr).toContain("Not imported: key shop:list: it is a list.\n");
    expect(stderr).toMatch(/key shop:float: expected a whole number .*, got "1\.5"/);
    expect(await values("shop:")).toEqual({
      "shop:a": "5",
      "shop:max": "9223372036854775807",
      "shop:min": "-9223372036854775808",
      "shop:caf%C3%A9": "3",
      "shop:%FF%FE%20%25": "4",
    });
  });

  it("tells keys that no counter can be called after, and takes the others, in a dry run too", async () => {
    const redis = await redisForTest();
    await redis.ask(`MSET long:${"k".repeat(200)} 1 long:a 2 "" 3`);
    const args = ["import", "--redis", redis.url, "--match", "*", "--prefix", "p:"];
    const came = { made: 1, notImported: { BAD_NAME: 2 } };
    expect(await json(...args, "--dry-run")).toMatchObject(came);
    expect(await values("p:")).toEqual({});
    expect(await json(...args)).toMatchObject(came);
    expect(await values("p:")).toEqual({ "p:long:a": "2" });
  });

  it("imports each key once, whatever both have counted since", async () => {
    const redis = await redisForTest();
    await redis.ask("MSET once:a 5 once:b 6");
    const args = ["import", "--redis", redis.url, "--match", "once:*"];
    expect(await json(...args)).toMatchObject({ made: 2 });
    await at(["inc", "once:a", "100"]);
    await redis.ask("INCR once:a");
    await redis.ask("INCR once:c");
    expect(await json(...args)).toMatchObject({ made: 1, set: 0, before: 2 });
    expect(await values("once:")).toEqual({ "once:a": "105", "once:b": "6", "once:c": "1" });
    expect(await json(...args, "--import-id", "again")).toMatchObject({ set: 3 });
    expect(await values("once:")).toEqual({ "once:a": "6", "once:b": "6", "once:c": "1" });
  });

  it("has names as they are wanted, and imports none of those that would be one", async () => {
    const redis = await redisForTest();
    await redis.ask("MSET name:a:b 1 name:a.b 2 name:c:d 3");
    const args = ["import", "--redis", redis.url, "--match", "name:*", "--replace", ":=.", "--prefix", "r/"];
    const { code, stderr } = await at(args);
    expect(code).toBe(EXIT.REFUSED);
    expect(stderr).toContain("key name:a:b: its name name.a.b would be that of key name:a.b, too.");
    expect(stderr).toContain("key name:a.b: its name name.a.b would be that of key name:a:b, too.");
    expect(await values("r/")).toEqual({ "r/name.c.d": "3" });
  });

  it("makes an idle TTL of what is left of a TTL; or nothing; or skips the key", async () => {
    const redis = await redisForTest();
    await redis.ask("SET ttl:a 1 EX 3600");
    const args = ["import", "--redis", redis.url, "--match", "ttl:*"];
    expect(await json(...args, "--ttl", "skip")).toMatchObject({ made: 0, notImported: { HAS_TTL: 1 } });
    expect(await json(...args, "--ttl", "ignore", "--prefix", "i")).toMatchObject({ made: 1 });
    expect(await json("get", "ittl:a")).not.toHaveProperty("idleTtl");
    expect(await json(...args)).toMatchObject({ made: 1 });
    const { idleTtl } = await json("get", "ttl:a");
    expect(Number.parseFloat(idleTtl)).toBeGreaterThan(3_000);
    expect(Number.parseFloat(idleTtl)).toBeLessThanOrEqual(3_600);
  });

  it("takes 1,500 keys, each once", async () => {
    const redis = await redisForTest();
    await redis.ask("EVAL \"for i=1,1500 do redis.call('set','many:'..i,i) end\" 0");
    expect(await json("import", "--redis", redis.url, "--match", "many:*")).toMatchObject({ made: 1_500 });
    expect(await json("sum", "many:")).toMatchObject({ count: "1500", sum: "1125750" });
  });

  it("says how far it came when Redis goes away in the middle; the same command goes on there", async () => {
    const redis = await redisForTest();
    await redis.ask("EVAL \"for i=1,2500 do redis.call('set','cut:'..i,i) end\" 0");
    const cut = await cutBefore(redis.url, "MGET", 2);
    const ran = await at(["import", "--redis", cut.url, "--match", "cut:*"]);
    expect(ran.code).toBe(EXIT.UNAVAILABLE);
    expect(ran.stdout).toMatch(/^Stopped: 1,000 counters: 1,000 made; /);
    expect(ran.stderr).toMatch(
      /^tally: The Redis at redis:\/\/127\.0\.0\.1:\d+ failed after 1,000 keys were read: .*\. Run the same command again/,
    );
    cut.never();
    expect(await json("import", "--redis", cut.url, "--match", "cut:*")).toMatchObject({
      made: 1_500,
      before: 1_000,
    });
    expect(await json("sum", "cut:")).toMatchObject({ count: "2500", sum: "3126250" });
  });

  it("takes a password from the environment, and shows none", async () => {
    const redis = await redisForTest(["--requirepass", "s3cret"]);
    const args = ["import", "--redis", redis.url, "--match", "*"];
    const refused = await at(args);
    expect(refused).toMatchObject({ code: EXIT.UNAVAILABLE, stdout: "" });
    expect(refused.stderr).toMatch(/^tally: The Redis at redis:\/\/127\.0\.0\.1:\d+ failed: NOAUTH/);
    expect(await at(args, { REDISCLI_AUTH: "s3cret" })).toMatchObject({ code: 0 });
    const wrong = await at([...args.slice(0, 2), redis.url.replace("//", "//me:wr0ng@"), "--match", "*"]);
    expect(wrong.code).toBe(EXIT.UNAVAILABLE);
    expect(wrong.stderr).not.toContain("wr0ng");
  });
});

it("says what to install where there is no client of Redis's", async () => {
  const alone = folder(); // As a package without it: what is bundled, and nothing around it.
  for (const part of ["bin", "dist", "package.json"])
    cpSync(join(dirname(TALLY), "..", part), join(alone, part), { recursive: true });
  const args = ["import", "--redis", "redis://127.0.0.1:1", "--match", "*"];
  const env = { TALLY_SERVER: server.address };
  const { code, stderr } = await run(process.execPath, [join(alone, "bin/tally.mjs"), ...args], { env });
  expect(stderr).toMatch(
    /^tally: To read from Redis takes the package @redis\/client, .*npm install @redis\/client@6/,
  );
  expect(code).toBe(EXIT.UNAVAILABLE);
});

it.each([
  [["--redis", "redis://h"], "Say which keys with --match"],
  [["--redis", "http://a:b@h", "--match", "*"], "expected redis://HOST:PORT/DB"],
  [["--redis", "redis://h", "--match", "*", "file"], "one of: a file"],
  [["file", "--match", "*"], "--match goes with --redis"],
  [["--redis", "redis://h", "--match", "*", "--skip-bad"], "--skip-bad goes with a file"],
  [["--redis", "redis://h", "--match", "*", "--replace", "x"], "Expected FROM=TO"],
])("usage: import %j", async (args, sentence) => {
  const ran = await at(["import", ...args]);
  expect(ran).toMatchObject({ code: EXIT.USAGE, stdout: "" });
  expect(ran.stderr).toContain(sentence);
  expect(ran.stderr).not.toContain("a:b@");
});
