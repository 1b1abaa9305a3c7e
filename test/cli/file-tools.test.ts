/** verify: what is printed where, the exit codes, and beside a server. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { EXIT } from "../../src/cli/exit.ts";
import { folder, tally } from "./cli.ts";
import { serving } from "./serving.ts";

describe("verify", () => {
  it("looks at a file beside its server, and once that has ended; the server serves on", async () => {
    const store = `sqlite:${join(folder(), "tally.db")}`;
    await serving(store, async (server) => {
      for (const command of [
        ["inc", "visits", "5"],
        ["create", "seats", "--max", "3"],
      ])
        await tally([...command, "--server", server]);
      const { stdout, ...ran } = await tally(["verify", "--store", store, "-o", "json"]);
      expect(ran, stdout).toMatchObject({ code: EXIT.OK, stderr: "" });
      expect(JSON.parse(stdout)).toMatchObject({
        served: true,
        counters: 2,
        sum: "5",
        commits: 2,
        findings: [],
        more: 0,
      });
      expect(await tally(["inc", "visits", "--server", server])).toMatchObject({ stdout: "6\n" });
    });
    const after = await tally(["verify", "--store", store]);
    expect(after).toMatchObject({ code: EXIT.OK, stderr: "" });
    expect(after.stdout).toMatch(/^counters +2$/m);
    expect(after.stdout).toMatch(/^history +[1-9]\d* rows?$/m);
    expect(after.stdout).toMatch(/^found +nothing: all of it is as it was written$/m);
  });

  it("tells each finding with the command that mends it, and exits 65", async () => {
    const path = join(folder(), "tally.db");
    const store = `sqlite:${path}`;
    await serving(store, async (server) => void (await tally(["inc", "visits", "5", "--server", server])));
    const db = new Database(path);
    db.exec("UPDATE counts SET value = 70; UPDATE recent_counts SET value = 70");
    db.close();
    const json = await tally(["verify", "--store", store, "-o", "json"]);
    expect(json.code).toBe(EXIT.STORE_UNUSABLE);
    expect(json.stderr).toMatch(/^tally: 2 findings: SQLite .*tally\.db is not as it was written\.\n$/);
    const mend = "if its row is right: tally accept visits";
    expect(JSON.parse(json.stdout).findings).toEqual([
      { code: "ROW_DAMAGED", name: "visits", about: expect.stringContaining("checksum"), mend },
      {
        code: "VALUE_UNACCOUNTED",
        name: "visits",
        about: "it has the value 70 at revision 1, and its changes lead to 5 at revision 1",
        mend,
      },
    ]);
    const accepted = await tally(["accept", "visits", "--store", store]);
    expect(accepted).toMatchObject({ code: EXIT.OK });
    expect(await tally(["verify", "--store", store])).toMatchObject({ code: EXIT.OK });
  });

  it.each([
    ["sqlite:none.db", EXIT.STORE_UNREACHABLE, "There is no file"],
    ["postgres://me:mistaken@h/db", EXIT.STORE_UNUSABLE, "pg_amcheck"],
    ["memory:", EXIT.STORE_UNUSABLE, "keeps nothing"],
    ["redis:x", EXIT.STORE_UNUSABLE, "No store is known"],
  ])("of %s it says in one sentence why not", async (store, code, sentence) => {
    const dir = folder();
    const { stderr, ...ran } = await tally([
      "verify",
      "--store",
      store.replace("none.db", join(dir, "none.db")),
    ]);
    expect(ran, stderr).toMatchObject({ code, stdout: "" });
    expect(stderr).toContain(sentence);
    expect(stderr).not.toContain("mistaken");
    expect(existsSync(join(dir, "none.db-lock"))).toBe(false);
  });
});
