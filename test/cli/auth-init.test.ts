/** `tally auth init`: what is printed where, and that the key is good. */
import { EventEmitter, once } from "node:events";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { loadConfig } from "../../src/config.ts";
import { startServer } from "../../src/server.ts";
import { NO_TELEMETRY } from "../../src/telemetry.ts";
import { describeWith } from "../support/needs.ts";
import { POSTGRES } from "../support/postgres/programs.ts";
import { newSchema, sharedPostgres } from "../support/postgres/shared.ts";
import { folder, tally } from "./cli.ts";

const KEY = /^tally_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}\n$/;

it("prints the key alone, once; another one only when it is asked for again", async () => {
  const store = `sqlite:${join(folder(), "tally.db")}`;
  const first = await tally(["auth", "init", "--store", store]);
  expect(first).toMatchObject({ code: EXIT.OK, stdout: expect.stringMatching(KEY) });
  expect(first.stderr).toContain("may do everything");
  expect(first.stderr).not.toContain(first.stdout.trim());
  expect(first.stderr, "no server can run on it").not.toContain("auth = off");
  const second = await tally(["auth", "init", "--store", store]);
  expect(second).toMatchObject({ code: EXIT.REFUSED, stdout: "" });
  expect(second.stderr).toContain("has an administrator already; nothing was changed");
  const again = await tally(["auth", "init", "--store", store, "--again"]);
  expect(again).toMatchObject({ code: EXIT.OK, stdout: expect.stringMatching(KEY) });
  expect(again.stderr).toContain("There is 1 other key of it still good");

  const { config } = loadConfig({ flags: { listen: "127.0.0.1:0", store, auth: "required" }, env: {} });
  const server = await startServer(config, { telemetry: NO_TELEMETRY });
  try {
    for (const { stdout } of [first, again]) {
      const answer = await fetch(`http://127.0.0.1:${server.address.port}/v1/admin/whoami`, {
        headers: { authorization: `Bearer ${stdout.trim()}` },
      });
      expect(await answer.json()).toMatchObject({ name: "admin", grants: ["all@"], credential: "key" });
    }
    const taken = await tally(["auth", "init", "--store", store, "--again"]);
    expect(taken).toMatchObject({ code: EXIT.STORE_IN_USE, stdout: "" });
  } finally {
    await server.close(0);
  }
});

it.each([
  ["its admin is damaged", "UPDATE catalogue SET body = 'x' WHERE kind = 'principal'"],
  ["a key is missing", "DELETE FROM catalogue WHERE kind = 'key'"],
])("makes nothing in a store of which %s, and says by its exit code that it is damaged", async (_, sql) => {
  const path = join(folder(), "tally.db");
  const init = ["auth", "init", "--store", `sqlite:${path}`];
  expect(await tally(init)).toMatchObject({ code: EXIT.OK });
  const db = new Database(path);
  expect(db.prepare(sql).run().changes).toBe(1);
  db.close();
  for (const flags of [[], ["--again"]]) {
    const said = await tally([...init, ...flags]);
    expect(said).toMatchObject({ code: EXIT.STORE_UNUSABLE, stdout: "" });
    expect(said.stderr).toContain("damaged");
  }
});

describeWith([POSTGRES], "on PostgreSQL", () => {
  it("a server that runs with auth = off says that it asks nobody, and so does the command", async () => {
    const store = (await sharedPostgres()).url({ schema: newSchema() });
    const { config } = loadConfig({ flags: { listen: "127.0.0.1:0", store }, env: {} });
    const events = new EventEmitter();
    const server = await startServer(config, {
      telemetry: { ...NO_TELEMETRY, log: (event) => void events.emit(event) },
    });
    try {
      const ignored = once(events, "auth.ignored");
      const first = await tally(["auth", "init", "--store", store]);
      expect(first).toMatchObject({ code: EXIT.OK, stdout: expect.stringMatching(KEY) });
      expect(first.stderr).toContain(
        "Servers that already run on it with auth = off ask nobody until they are restarted with auth = optional or required.",
      );
      await ignored;
    } finally {
      await server.close(0);
    }
  });
});

it("is of no use for a store that keeps nothing", async () => {
  const said = await tally(["auth", "init", "--store", "memory:"]);
  expect(said).toMatchObject({ code: EXIT.REFUSED, stdout: "" });
  expect(said.stderr).toContain("root-key-file");
});
