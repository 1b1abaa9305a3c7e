/** Nobody waits without a word for who never writes; a pipe that is open is read. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readAuthorities } from "../../src/cli/authorities.ts";
import { readContexts } from "../../src/cli/contexts.ts";
import { loadConfig } from "../../src/config.ts";
import { verifyBackup } from "../../src/file-tools.ts";
import { RootKey } from "../../src/guard/root-key.ts";
import { assertNoNamedPipe, isRereadable } from "../../src/named-pipe.ts";
import { readPem } from "../../src/transports/tls/pem.ts";
import { folder } from "./cli.ts";

const signal = new AbortController().signal;

it.each([
  ["a configuration", async (path: string) => loadConfig({ flags: { config: path }, env: {} })],
  ["a root key", (path: string) => RootKey.read(path)],
  ["a certificate", (path: string) => readPem("certificate", path)],
  ["the authorities of a client", readAuthorities],
  ["named servers", readContexts],
  ["a backup", (path: string) => verifyBackup(path, undefined, { signal, onProgress: () => {} })],
] as const)("a named pipe is refused as %s", async (_, read) => {
  const path = join(folder(), "pipe");
  execFileSync("mkfifo", [path]);
  await expect(read(path)).rejects.toThrow(
    `${path} cannot be read: it is a named pipe (FIFO); give a file, or a pipe that is open, such as <(...).`,
  );
});

it("a file and what is not there are left to who reads them, and an open pipe is read once", () => {
  for (const path of [import.meta.filename, join(folder(), "none")]) {
    assertNoNamedPipe(path);
    expect(isRereadable(path)).toBe(true);
  }
  const source = `
    import { readFileSync } from "node:fs";
    import { assertNoNamedPipe, isRereadable } from "${join(import.meta.dirname, "../../src/named-pipe.ts")}";
    for (const path of ["/dev/stdin", "/proc/self/fd/0"]) assertNoNamedPipe(path);
    console.log(isRereadable("/dev/stdin"), readFileSync("/dev/stdin", "utf8"));`;
  const args = ["-c", 'printf text | "$0" --input-type=module -e "$1"', process.execPath, source];
  expect(execFileSync("sh", args, { encoding: "utf8" })).toBe("false text\n");
});
