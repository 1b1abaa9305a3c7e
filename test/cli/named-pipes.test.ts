/** Nobody waits without a word for who never writes, nor reads for ever; a pipe that is open is read. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readKey } from "../../src/cli/api-key.ts";
import { readAuthorities } from "../../src/cli/authorities.ts";
import { readContexts } from "../../src/cli/contexts.ts";
import { openSource } from "../../src/cli/transfer/source-file.ts";
import { loadConfig } from "../../src/config.ts";
import { verifyBackup } from "../../src/file-tools.ts";
import { RootKey } from "../../src/guard/root-key.ts";
import { readNamedFile, readNamedFileSync, waitedFor } from "../../src/named-file.ts";
import { assertNoNamedPipe, isRereadable } from "../../src/named-pipe.ts";
import { tlsModeOf } from "../../src/stores/postgres/connection/tls.ts";
import { readPem } from "../../src/transports/tls/pem.ts";
import { folder } from "./cli.ts";

const signal = new AbortController().signal;

const READ: readonly (readonly [what: string, read: (path: string) => Promise<unknown>])[] = [
  ["a configuration", async (path: string) => loadConfig({ flags: { config: path }, env: {} })],
  ["a root key", (path: string) => RootKey.read(path)],
  ["a certificate", (path: string) => readPem("certificate", path)],
  ["the authorities of a client", readAuthorities],
  ["named servers", readContexts],
  ["an API key", (path: string) => readKey(path, () => {})],
  ["a certificate of PostgreSQL's", async (path: string) => tlsModeOf(new Map([["sslrootcert", path]]), {})],
  ["a backup", (path: string) => verifyBackup(path, undefined, { signal, onProgress: () => {} })],
  ["what is imported", (path: string) => openSource(path, signal)],
];

it.each(READ)("a named pipe, a socket and a device without an end are refused as %s", async (_, read) => {
  const pipe = join(folder(), "pipe");
  execFileSync("mkfifo", [pipe]);
  const link = join(folder(), "link");
  symlinkSync("/dev/zero", link);
  const socket = join(folder(), "socket");
  const server = createServer().listen(socket);
  await once(server, "listening");
  for (const [path, what] of [
    [pipe, "named pipe (FIFO)"],
    [link, "device"],
    ["/dev/full", "device"],
    [socket, "socket"],
  ] as const) {
    const sentence = `it is a ${what}; give a file, or a pipe that is open, such as <(...)`;
    const { message } = await Promise.resolve()
      .then(() => read(path))
      .then(
        () => new Error("it was read"),
        (error: Error) => error,
      );
    expect(message).toContain(path);
    expect(message).toContain("cannot be read");
    expect(message).toContain(sentence);
  }
  server.close();
});

const SETTINGS = READ.filter(([what]) => what !== "a backup" && what !== "what is imported");

it.each(SETTINGS)("a file that is much too large is refused as %s", async (_, read) => {
  const path = join(folder(), "large");
  writeFileSync(path, "");
  truncateSync(path, 16 * 2 ** 20 + 1); // A hole.
  await expect(Promise.resolve().then(() => read(path))).rejects.toThrow(
    "it has more than 16 MiB; give a file of settings, keys or certificates",
  );
});

it("a file is read whole, whatever size it says, and /dev/null is an empty one", async () => {
  const path = join(folder(), "file");
  const bytes = Buffer.from("some text\n".repeat(20_000));
  writeFileSync(path, bytes);
  for (const [each, content] of [
    [path, bytes],
    ["/proc/self/cmdline", readFileSync("/proc/self/cmdline")], // Whose size is 0.
    ["/dev/null", Buffer.alloc(0)],
  ] as const) {
    expect(readNamedFileSync(each)).toEqual(content);
    expect(await readNamedFile(each)).toEqual(content);
  }
});

it("a file that has nothing yet is told, and not waited for", () => {
  const again = Object.assign(new Error("EAGAIN: try again, read"), { code: "EAGAIN" });
  expect(waitedFor(again)).toMatchObject({ message: expect.stringContaining("it has nothing now") });
  const other = new Error("EIO: input/output error, read");
  expect(waitedFor(other)).toBe(other);
});

it("a file and what is not there are left to who reads them, and an open pipe is read once", () => {
  for (const path of [import.meta.filename, join(folder(), "none")]) {
    assertNoNamedPipe(path);
    expect(isRereadable(path)).toBe(true);
  }
  const source = `
    import { readNamedFile } from "${join(import.meta.dirname, "../../src/named-file.ts")}";
    import { assertNoNamedPipe, isRereadable } from "${join(import.meta.dirname, "../../src/named-pipe.ts")}";
    for (const path of ["/dev/stdin", "/proc/self/fd/0"]) assertNoNamedPipe(path);
    console.log(isRereadable("/dev/stdin"), (await readNamedFile("/dev/stdin")).toString());`;
  const args = ["-c", 'printf text | "$0" --input-type=module -e "$1"', process.execPath, source];
  expect(execFileSync("sh", args, { encoding: "utf8" })).toBe("false text\n");
});
