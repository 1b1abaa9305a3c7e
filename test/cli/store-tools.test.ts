/** copy and migrate: what is printed where, the exit codes, and what becomes of the stores. */
import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { folder, tally } from "./cli.ts";
import { serving } from "./serving.ts";

async function counting(store: string, ...commands: string[][]): Promise<string[]> {
  const printed: string[] = [];
  await serving(store, async (server) => {
    for (const command of commands)
      printed.push((await tally([...command, "--server", server])).stdout.trim());
  });
  return printed;
}

const KEPT = ["--request-id", "kept"];

describe("copy", () => {
  it("moves a store: what was counted and answered before is so after, and the end says what was compared", async () => {
    const [from, to] = ["a.db", "b.db"].map((name) => `sqlite:${join(folder(), name)}`) as [string, string];
    await counting(from, ["inc", "visits", "5", ...KEPT], ["inc", "visits"], ["create", "a", "--max", "3"]);
    const copied = await tally(["copy", "--from", from, "--to", to]);
    expect(copied).toMatchObject({ code: EXIT.OK, stderr: "" });
    expect(copied.stdout).toMatch(/^counters +2, the same in both/m);
    expect(copied.stdout).toMatch(/^changes +3, the same in both, and they sum up to the values$/m);
    expect(copied.stdout).toMatch(/^history +[2-6] rows of 2 counters, 1 change by name, the same in both$/m);
    expect(await counting(to, ["inc", "visits", "5", ...KEPT], ["get", "visits"])).toEqual(["5", "6"]);
    const again = await tally(["copy", "--from", from, "--to", to]);
    expect(again).toMatchObject({ code: EXIT.REFUSED, stdout: "" });
    expect(again.stderr).toContain("of its own; a copy needs an empty one. Nothing was changed.");
  });

  it("in JSON for scripts; run again after the end it compares again", async () => {
    const [from, to] = ["a.db", "b.db"].map((name) => `sqlite:${join(folder(), name)}`) as [string, string];
    await counting(from, ["inc", "visits"]);
    const json = async () =>
      JSON.parse((await tally(["copy", "--from", from, "--to", to, "-o", "json"])).stdout);
    expect(await json()).toMatchObject({ counters: 1, sum: "1", changes: 1, before: false, resumed: false });
    const history = { rows: 1, counters: 1, changes: 0 };
    expect(await json()).toMatchObject({ counters: 1, sum: "1", changes: 1, before: true, history });
  });

  it("refuses what it cannot do, in one sentence, and leaves nothing behind", async () => {
    const dir = folder();
    const store = (name: string) => `sqlite:${join(dir, name)}`;
    const refusals: [from: string, to: string, code: number, sentence: string][] = [
      [store("none.db"), store("b.db"), EXIT.STORE_UNREACHABLE, "There is no file"],
      [store("a.db"), store("a.db"), EXIT.REFUSED, "name the same store"],
      ["memory:", store("b.db"), EXIT.REFUSED, "keeps nothing"],
      ["redis:x", store("b.db"), EXIT.USAGE, "No store is known"],
      ["postgres://h/d?sslmode=bogus", store("b.db"), EXIT.USAGE, "has a sslmode that cannot be taken"],
      [
        "postgres://h/d?sslmode=verify-ca&sslrootcert=/none",
        store("b.db"),
        EXIT.STORE_UNREACHABLE,
        "(ENOENT)",
      ],
    ];
    for (const [from, to, code, sentence] of refusals) {
      const { stderr, ...ran } = await tally(["copy", "--from", from, "--to", to]);
      expect(ran, stderr).toMatchObject({ code, stdout: "" });
      expect(stderr).toContain(sentence);
    }
    expect(["none.db", "none.db-lock", "a.db", "b.db"].filter((name) => existsSync(join(dir, name)))).toEqual(
      [],
    );
    expect(await tally(["copy", "--from", store("a.db")])).toMatchObject({ code: EXIT.USAGE });
  });

  it.each([
    [["copy", "--from", "postgre://h/db?password=mistaken", "--to", "sqlite:./none/b.db"]],
    [["copy", "--from", "me:mistaken@h/db", "--to", "me:mistaken@h/db"]],
    [["migrate", "status", "--store", "mistaken"]],
    [["migrate", "up", "--store", "postgres:/me:mistaken@h"]],
    [["migrate", "up", "--stor=postgres://me:mistaken@h"]],
    [["migrate", "status", "--store", "sqlite://me:mistaken@h/db"]],
  ])("%j prints no password", async (command) => {
    const { code, stdout, stderr } = await tally(command);
    expect(code).not.toBe(0);
    expect(stdout + stderr).not.toContain("mistaken");
  });

  it("does not copy a store that is served", async () => {
    const dir = folder();
    await serving(`sqlite:${join(dir, "a.db")}`, async () => {
      const [from, to] = ["a.db", "b.db"].map((name) => `sqlite:${join(dir, name)}`) as [string, string];
      const { code, stderr } = await tally(["copy", "--from", from, "--to", to]);
      expect([code, stderr]).toEqual([EXIT.STORE_IN_USE, expect.stringContaining("in use by another")]);
    });
  });
});

describe("migrate", () => {
  it("says what an older file lacks, also while it only looks, and brings it there", async () => {
    const path = join(folder(), "old.db");
    const store = `sqlite:${path}`;
    const json = async (command: string) => {
      const { stdout } = await tally(["migrate", command, "--store", store, "-o", "json"]);
      return JSON.parse(stdout);
    };
    const latest = (await json("status")).latest;
    expect(await json("status")).toMatchObject({ version: null, upToDate: false });
    expect(existsSync(path)).toBe(false);
    copyFileSync(new URL("../stores/golden/schema-5.sqlite", import.meta.url), path);
    const db = new Database(path, { readonly: true });
    const value = db
      .prepare(
        "SELECT coalesce((SELECT value FROM recent_counts WHERE id = c.id), (SELECT value FROM counts WHERE id = c.id)) FROM counters AS c WHERE name = ?",
      )
      .pluck();
    const before = `${value.get("shop-0/visits-0")}`;
    db.close();

    expect(await json("status")).toMatchObject({
      version: 5,
      pending: [
        expect.stringContaining("WAL"),
        "what shows that nothing is missing",
        expect.stringContaining("the catalogue"),
        expect.stringContaining("what time does"),
        expect.stringContaining("history is kept"),
        expect.stringContaining("its history"),
        expect.stringContaining("policies"),
        "when API keys were last used",
        expect.stringContaining("a refill"),
      ],
    });
    const refused = await tally([
      "serve",
      "--store",
      store,
      "--migrate-at-start",
      "false",
      "--listen",
      "127.0.0.1:0",
    ]);
    expect(refused).toMatchObject({ code: EXIT.STORE_UNUSABLE });
    expect(refused.stderr).toContain("migrate-at-start is off; bring it there with: tally migrate up");
    expect(await json("status")).toMatchObject({ version: 5 });
    expect(await json("up")).toMatchObject({ before: 5, version: latest, upToDate: true });
    expect(await json("up")).toMatchObject({ before: latest, done: [] });
    expect(await counting(store, ["get", "shop-0/visits-0"])).toEqual([before]);
  });
});

describe("accept", () => {
  it("says what was changed by hand, and takes it as it stands", async () => {
    const path = join(folder(), "a.db");
    const store = `sqlite:${path}`;
    await counting(store, ["inc", "seats", "50"], ["inc", "other"]);
    const db = new Database(path);
    for (const table of ["counts", "recent_counts"])
      db.exec(`UPDATE ${table} SET value = 70 WHERE value = 50`);
    db.close();
    const copied = await tally(["copy", "--from", store, "--to", `${store}.copy`]);
    expect(copied).toMatchObject({ code: EXIT.STORE_UNUSABLE });
    expect(copied.stderr).toContain("the rows of seats are damaged, or not what Tally writes");
    const looked = await tally(["accept", "--store", store]);
    expect(looked).toMatchObject({ code: EXIT.OK, stderr: "" });
    expect(looked.stdout).toContain("the row of seats is damaged, or not what Tally writes");
    const accepted = await tally(["accept", "--store", store, "seats", "other", "-o", "json"]);
    expect(accepted).toMatchObject({ code: EXIT.REFUSED });
    expect(accepted.stderr).toContain(
      "other cannot be taken as it stands: nothing shows that it was changed.",
    );
    expect(JSON.parse(accepted.stdout).accepted).toEqual([{ name: "seats", value: "70", revision: 2 }]);
    expect(await counting(store, ["inc", "seats"])).toEqual(["71"]);
    expect(await tally(["copy", "--from", store, "--to", `${store}.copy`])).toMatchObject({ code: EXIT.OK });
  });
});
