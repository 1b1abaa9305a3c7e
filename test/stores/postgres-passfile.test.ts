/** Where libpq has passwords: read like every file of settings, for each connection. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { settingsOf } from "../../src/stores/postgres/connection/parameters.ts";
import { passFileOf, passwordIn } from "../../src/stores/postgres/connection/pass-file.ts";
import { parseUrl } from "../../src/stores/postgres/connection/url.ts";
import { folderInMemory } from "../support/folder.ts";

let dir: string;
let path: string;
const of = { host: "db.example", port: 5432, database: "counts", user: "tally" };

beforeEach(() => {
  dir = mkdtempSync(join(folderInMemory(), "tally-passfile-"));
  path = join(dir, "pgpass");
});
afterEach(() => rmSync(dir, { recursive: true }));

function written(text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
}

it.each([
  ["db.example:5432:counts:tally:one", "one"],
  ["*:*:*:*:any\n", "any"],
  ["# a: b:c:d:e\n\nshort:line\ndb.example:5432:counts:tally:first\n*:*:*:*:second", "first"],
  ["other:5432:counts:tally:no\r\ndb.example:*:counts:tally:yes\r\n", "yes"],
  ["db.example:5433:counts:tally:port\ndb.example:5432:other:tally:database\n*:*:*:ada:user", undefined],
  ["*:*:*:*:a:b\\:c\\\\d", "a:b:c\\d"],
  ["*:*:*:*:", undefined],
  ["", undefined],
])("of %j it takes %s", async (text, password) => {
  written(text);
  expect(await passwordIn(path, of)).toBe(password);
});

it("a colon or backslash in a name is behind a backslash", async () => {
  written("*:*:a\\:b\\\\c:*:secret");
  expect(await passwordIn(path, { ...of, database: "a:b\\c" })).toBe("secret");
  expect(await passwordIn(path, of)).toBeUndefined();
});

it("one that is not there has none", async () => {
  expect(await passwordIn(path, of)).toBeUndefined();
  expect(await passwordIn(join(dir, "pgpass", "below"), of)).toBeUndefined();
});

it("what has no end, is waited for, or is too large is refused in a sentence, as is what others may read", async () => {
  const refused = async (at: string, why: string) =>
    expect(passwordIn(at, of)).rejects.toThrow(
      `The file of passwords ${at} (PGPASSFILE) cannot be used: ${why}`,
    );
  await refused("/dev/zero", "it is a device");
  await refused(dir, "EISDIR");
  execFileSync("mkfifo", [path]);
  await refused(path, "it is a named pipe (FIFO)");
  rmSync(path);
  written("");
  truncateSync(path, 2 ** 36);
  await refused(path, "it has more than 16 MiB");
  written("*:*:*:*:secret");
  chmodSync(path, 0o640);
  await refused(path, "others than its owner may read or write it");
});

it("is asked where neither the URL nor the environment has a password", async () => {
  written("*:*:*:*:secret");
  const url = parseUrl("postgres://tally@db.example/counts");
  const { password } = settingsOf(url, { PGPASSFILE: path }).config;
  expect(await (password as unknown as (for_: object) => Promise<string>)(of)).toBe("secret");
  expect(settingsOf(url, { PGPASSFILE: path, PGPASSWORD: "p" }).config.password).toBeUndefined();
  const given = parseUrl("postgres://tally:given@db.example/counts");
  expect(settingsOf(given, { PGPASSFILE: path }).config.password).toBe("given");
  expect(passFileOf({ HOME: "/home/ada" })).toBe("/home/ada/.pgpass");
});
