/**
 * SQL of the stores names its columns. A newer release adds some while older processes still run on the same tables:
 * what takes "all columns" then has others than it knows, and a prepared statement that gives them ends with 0A000.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

/** All columns of a table, by position or unnamed; a table that has all the columns of another. */
const UNNAMED =
  /\*\s+FROM\b|\b\w+\.\*|SELECT\s+\*|RETURNING\s+\*|INSERT\s+(?:OR\s+\w+\s+)?INTO\s+\S+\s+(?:VALUES|SELECT)\b/gi;

/** Migrations run once, on the tables that they have just made. */
const MIGRATIONS = /^export const MIGRATIONS\b[\s\S]+?^\];$/m;

function unnamedIn(source: string): string[] {
  const code = source
    .replace(MIGRATIONS, "")
    .replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "")
    .replaceAll(/count\(\*\)/gi, "");
  return code.match(UNNAMED) ?? [];
}

it("no statement of the stores leaves its columns unnamed", () => {
  const folder = join(import.meta.dirname, "../../src/stores");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts"),
  );
  expect(files.length).toBeGreaterThan(30);
  const found = files.flatMap((file) =>
    unnamedIn(readFileSync(join(folder, file), "utf8")).map((sql) => `${file}: ${sql}`),
  );
  // Made together with its schema, in one transaction.
  expect(found).toEqual(["postgres/schema/schema.ts: INSERT INTO @schema_version VALUES"]);
});

it("which would be found", () => {
  for (const sql of [
    "SELECT * FROM @counters",
    "SELECT c.*, 1 FROM c",
    "DELETE FROM t RETURNING *",
    "INSERT INTO counts VALUES (?)",
    "INSERT OR IGNORE INTO counts SELECT id FROM x",
    "SELECT id, *\n FROM t",
  ]) {
    expect(unnamedIn(`db.prepare("${sql}")`), sql).toHaveLength(1);
  }
  expect(unnamedIn("`INSERT INTO t (a) SELECT a FROM u`; `SELECT count(*) AS n FROM t`")).toEqual([]);
});
