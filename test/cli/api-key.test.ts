/** The key that a command calls with: where it is from, where it goes, and that it is never shown. */
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { RPC } from "../../src/client/client.ts";
import { type Reply, scripted } from "../client/scripted-server.ts";
import { TALLY } from "../support/bundles/command.ts";
import { describeWith } from "../support/needs.ts";
import { folder, type RunOptions, shell, tally } from "./cli.ts";
import { openTerminal, SCRIPT } from "./terminal.ts";

const SEVEN = { answer: { counter: { name: "visits", value: 7n } } } as const;
const key = (id: string) => `tally_${id.padEnd(12, "0")}_verysecret${id}_crc123`;
const [FLAG, ENV, CONTEXT, FILE] = ["flag", "env", "context", "file"].map(key) as [
  string,
  string,
  string,
  string,
];

describe("the key", () => {
  it("is the flag's before the environment's before the context's", async () => {
    const { server, credentials } = await scripted(RPC.getCounter, [SEVEN]);
    const home = folder();
    const env = { XDG_CONFIG_HOME: home };
    await tally(["config", "set", "prod", server, "--api-key-file", keyFile(CONTEXT)], { env });
    const all = { env: { ...env, TALLY_API_KEY: ENV } };
    await get(["--api-key-file", keyFile(FLAG)], all);
    await get([], all);
    await get([], { env: { ...env, TALLY_API_KEY_FILE: keyFile(FILE) } });
    await get([], { env: { ...env, TALLY_API_KEY: "", TALLY_API_KEY_FILE: "" } });
    expect(credentials).toEqual([FLAG, ENV, FILE, CONTEXT].map((each) => `Bearer ${each}`));
    await get(["--server", server], { env });
    expect(credentials.at(-1), "to another server than the context's own").toBe("");
    const first = await tally(["--api-key-file", keyFile(FLAG), "get", "visits"], { env });
    expect([first.code, credentials.at(-1)]).toEqual([0, `Bearer ${FLAG}`]);
  });

  it("comes from standard input, where that is not read otherwise", async () => {
    const { server, credentials } = await scripted(RPC.getCounter, [SEVEN]);
    const env = { TALLY_SERVER: server };
    await get(["--api-key-file", "-"], { env, input: `  ${FLAG}\r\n` });
    expect(credentials).toEqual([`Bearer ${FLAG}`]);
    for (const files of [[], ["-"], ["x", "-"]])
      expect(await tally(["count", "--api-key-file", "-", ...files], { env, input: FLAG })).toEqual({
        code: EXIT.USAGE,
        signal: null,
        stdout: "",
        stderr:
          "tally: Standard input cannot be both the key and what is read; give one of them in a file.\n",
      });
  });

  it("may come from a command, by a pipe that nobody else can read", async () => {
    const { server, credentials } = await scripted(RPC.getCounter, [SEVEN]);
    const env = { TALLY_SERVER: server, KEY: FLAG };
    const ran = await shell('tally get visits --api-key-file <(printf "%s\\n" "$KEY")', { env });
    expect([ran.code, ran.stderr, credentials]).toEqual([0, "", [`Bearer ${FLAG}`]]);
  });

  it("in a file that everybody can read is used, and told of; its group may read it", async () => {
    const { server, credentials } = await scripted(RPC.getCounter, [SEVEN]);
    const env = { TALLY_SERVER: server };
    const path = keyFile(FLAG);
    chmodSync(path, 0o644);
    const ran = await tally(["get", "visits", "-q", "--api-key-file", path], { env });
    expect([ran.code, ran.stdout, credentials]).toEqual([0, "7\n", [`Bearer ${FLAG}`]]);
    expect(ran.stderr).toBe(
      `tally: The key file ${path} can be read by everybody on this machine; keep it to yourself with: chmod 600 ${path}\n`,
    );
    chmodSync(path, 0o640);
    await get(["--api-key-file", path], { env });
    expect((await tally(["complete", "--", "get", "--api-key-file", path, "v"], { env })).stderr).toBe("");
  });

  it.each<[string, string[], RunOptions, number, RegExp]>([
    [
      "two in one place",
      [],
      { env: { TALLY_API_KEY: ENV, TALLY_API_KEY_FILE: "/none" } },
      EXIT.USAGE,
      /^tally: TALLY_API_KEY and TALLY_API_KEY_FILE are two answers to one question; give one of them\.\n$/,
    ],
    [
      "no file",
      ["--api-key-file", "/none"],
      {},
      EXIT.CONFIG,
      /^tally: The key file \/none cannot be read: ENOENT/,
    ],
    [
      "a folder",
      ["--api-key-file", "/tmp"],
      {},
      EXIT.CONFIG,
      /^tally: The key file \/tmp cannot be read: EISDIR/,
    ],
    [
      "nothing",
      ["--api-key-file", "-"],
      { input: "\n" },
      EXIT.CONFIG,
      /^tally: Standard input has nothing in it; expected an API key: one line of up to 8,192 printable/,
    ],
    [
      "two lines",
      ["--api-key-file", "-"],
      { input: `${FLAG}\n${ENV}\n` },
      EXIT.CONFIG,
      /^tally: Standard input has more than one word in it/,
    ],
    [
      "more than a key",
      ["--api-key-file", "-"],
      { input: "x".repeat(20_000) },
      EXIT.CONFIG,
      /^tally: Standard input has something else in it/,
    ],
    [
      "no end",
      ["--api-key-file", "/dev/zero"],
      {},
      EXIT.CONFIG,
      /^tally: The key file \/dev\/zero cannot be read: it is a device; give a file, or a pipe that is open/,
    ],
    [
      "a variable with an accent",
      [],
      { env: { TALLY_API_KEY: "é" } },
      EXIT.USAGE,
      /^tally: TALLY_API_KEY is no API key/,
    ],
    [
      "the key in place of its file",
      ["--api-key-file", FLAG],
      {},
      EXIT.USAGE,
      /^tally: --api-key-file was given a key, and expected the path of a file\. .*revoke that key/,
    ],
    ["an option that is none", ["--api-key", FLAG], {}, EXIT.USAGE, /unknown option '--api-key'/],
    [
      "the same, in one word",
      [`--api-key=${FLAG}`],
      {},
      EXIT.USAGE,
      /unknown option '--api-key=tally_flag00000000_\*\*\*'/,
    ],
    [
      "another machine in plaintext",
      ["--server", "192.0.2.1:8080"],
      { env: { TALLY_API_KEY: ENV } },
      EXIT.USAGE,
      /^tally: The key is not sent in plaintext to 192\.0\.2\.1:8080, .* https:\/\/ .*--plaintext-key\.\n$/,
    ],
  ])("is refused: %s; nothing is asked, and no key is shown", async (_, args, options, code, sentence) => {
    const { server, asked } = await scripted(RPC.getCounter, [SEVEN]);
    const ran = await tally(["get", "visits", ...args], {
      ...options,
      env: { TALLY_SERVER: server, ...options.env },
    });
    expect([ran.code, ran.stdout, asked]).toEqual([code, "", []]);
    expect(ran.stderr).toMatch(sentence);
    expect(ran.stderr).not.toContain("verysecret");
  });

  it("is sent to another machine in plaintext when that was said", async () => {
    const args = ["get", "visits", "--server", "192.0.2.1:8080", "--plaintext-key", "--timeout", "50ms"];
    const ran = await tally(args, { env: { TALLY_API_KEY: ENV } });
    expect(ran.stderr).toMatch(/^tally: No Tally server answers at 192\.0\.2\.1:8080/);
  });
});

describe("a context's key", () => {
  it("is the path of a file, from everywhere; of standard input the key itself, which is never shown", async () => {
    const { server, credentials } = await scripted(RPC.getCounter, [SEVEN]);
    const home = folder();
    const env = { XDG_CONFIG_HOME: home };
    const path = keyFile(FILE);
    await tally(["config", "set", "filed", server, "--api-key-file", path], { env });
    const kept = await tally(["config", "set", "kept", server, "--api-key-file", "-"], {
      env,
      input: `${CONTEXT}\n`,
    });
    expect(kept).toMatchObject({ code: 0, stdout: "", stderr: "" });
    const config = join(home, "tally/config.toml");
    expect(readFileSync(config, "utf8")).toContain(`api-key = "${CONTEXT}"`);
    expect(statSync(config).mode & 0o777).toBe(0o600);
    expect(JSON.parse((await tally(["config", "list", "-o", "json"], { env })).stdout)).toEqual([
      { name: "filed", server, apiKeyFile: path, current: true },
      { name: "kept", server, apiKey: "***", current: false },
    ]);
    const { stdout } = await tally(["config", "list"], { env });
    expect(stdout).toMatch(/^NAME +SERVER +KEY +CURRENT\nfiled .*file\.key +yes\nkept .* \*\*\*\n$/);
    await get([], { env });
    await get(["--context", "kept"], { env });
    expect(credentials).toEqual([`Bearer ${FILE}`, `Bearer ${CONTEXT}`]);
    chmodSync(config, 0o644);
    expect((await tally(["get", "visits", "--context", "kept"], { env })).stderr).toMatch(
      /^tally: The file .*config\.toml, which has a key, can be read by everybody/,
    );
    await tally(["config", "set", "kept", server], { env }); // Is all that the context is from now on.
    expect(readFileSync(config, "utf8")).not.toContain(CONTEXT);
  });

  it("that is no key, or two, is refused without being shown", async () => {
    const home = folder();
    const env = { XDG_CONFIG_HOME: home };
    const set = await tally(["config", "set", "a", "h:1", "--api-key-file", "-"], {
      env,
      input: "very secret",
    });
    expect([set.code, set.stderr]).toEqual([
      EXIT.CONFIG,
      expect.stringMatching(/^tally: Standard input has more/),
    ]);
    mkdirSync(join(home, "tally"), { recursive: true });
    const config = join(home, "tally/config.toml");
    writeFileSync(config, `[contexts.a]\nserver = "h:1"\napi-key = "${CONTEXT}"\napi-key-file = "x"\n`);
    const two = await tally(["get", "visits", "--context", "a"], { env });
    expect([two.code, two.stderr]).toEqual([
      EXIT.CONFIG,
      "tally: The context's api-key and its api-key-file are two answers to one question; give one of them.\n",
    ]);
    writeFileSync(config, '[contexts.a]\nserver = "h:1"\napi-key = 7\n');
    expect((await tally(["get", "visits", "--context", "a"], { env })).stderr).toMatch(
      /a context a whose api-key is no text/,
    );
  });
});

describe("who is refused is told what to do", () => {
  const refused = (status: "UNAUTHENTICATED" | "PERMISSION_DENIED" | "RESOURCE_EXHAUSTED", reason: string) =>
    ({ status, reason }) as const;
  it.each<[Exclude<Reply<typeof RPC.getCounter>, string>, number, RegExp]>([
    [
      refused("UNAUTHENTICATED", "CREDENTIAL_MISSING"),
      EXIT.AUTH,
      /^tally: The server at \S+ wants to know who calls, and no key was given\. Give one by --api-key-file FILE, TALLY_API_KEY or TALLY_API_KEY_FILE/,
    ],
    [
      refused("UNAUTHENTICATED", "CREDENTIAL_INVALID"),
      EXIT.AUTH,
      /^tally: The server at \S+ does not take the key that was given\. Look where it is from: --api-key-file, else/,
    ],
    [refused("UNAUTHENTICATED", "CREDENTIAL_EXPIRED"), EXIT.AUTH, /^tally: /],
    [
      {
        ...refused("PERMISSION_DENIED", "PERMISSION_DENIED"),
        metadata: { permission: "read", prefixes: "shop. web." },
      },
      EXIT.AUTH,
      /^tally: No key was given: give one by --api-key-file FILE, TALLY_API_KEY or TALLY_API_KEY_FILE, else the caller is anonymous\. The caller may not do this to visits: it lacks the permission read\. It has that where names begin with shop\. or web\.; nothing was changed\. Who has admin can give it: tally auth principal update WHO --grant 'read@=visits'\n$/,
    ],
    [refused("RESOURCE_EXHAUSTED", "RATE_LIMITED"), EXIT.UNAVAILABLE, /^tally: /],
  ])("%j", async (reply, code, sentence) => {
    const { server } = await scripted(RPC.getCounter, [reply]);
    const ran = await tally(["get", "visits"], { env: { TALLY_SERVER: server } });
    expect([ran.code, ran.stdout]).toEqual([code, ""]);
    expect(ran.stderr).toMatch(sentence);
  });

  it("of one name, and the others are done", async () => {
    const denied = { ...refused("PERMISSION_DENIED", "PERMISSION_DENIED"), metadata: { permission: "set" } };
    const done = { answer: { outcome: { name: "b", value: 0n } } } as const;
    const { server } = await scripted(RPC.reset, [denied, done]);
    const ran = await tally(["reset", "a", "b", "-o", "value"], { env: { TALLY_SERVER: server } });
    expect([ran.code, ran.stdout]).toEqual([EXIT.AUTH, "\n0\n"]);
    expect(ran.stderr).toMatch(/lacks the permission set/);
  });
});

describeWith([SCRIPT], "at a terminal", () => {
  it("a key is not typed where it would be shown", async () => {
    const terminal = openTerminal([process.execPath, TALLY, "get", "visits", "--api-key-file", "-"], {
      env: {},
    });
    await terminal.shows(/A key that is typed here would be shown; pipe it in/);
  });
});

async function get(args: string[], options: RunOptions): Promise<void> {
  const ran = await tally(["get", "visits", ...args], options);
  expect(ran).toMatchObject({ code: 0, stdout: "7\n", stderr: "" });
}

/** The path of a file with a key in it, for its owner alone. */
function keyFile(text: string): string {
  const path = join(folder(), "file.key");
  writeFileSync(path, `${text}\n`, { mode: 0o600 });
  return path;
}
