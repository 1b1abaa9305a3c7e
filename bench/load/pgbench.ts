import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

export type PgbenchOptions = {
  /** The program. */
  path: string;
  /** As libpq takes it. */
  conninfo: string;
  /** What a client does again and again, each time as one transaction: SQL with pgbench's \set. */
  script: string;
  clients: number;
  seconds: number;
  /** For the script. */
  directory: string;
};

export type PgbenchResult = { transactions: number; perSecond: number; averageMs: number };

/** Run pgbench with prepared statements, a thread for each core, as fast as it goes. */
export async function runPgbench(options: PgbenchOptions): Promise<PgbenchResult> {
  const file = join(options.directory, "pgbench.sql");
  writeFileSync(file, options.script);
  const { stdout } = await promisify(execFile)(options.path, [
    ...["--no-vacuum", "--protocol=prepared", "--jobs=2", `--client=${options.clients}`],
    ...[`--time=${Math.ceil(options.seconds)}`, `--file=${file}`, options.conninfo],
  ]);
  const number = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1]);
  const result = {
    transactions: number(/transactions actually processed: (\d+)/),
    perSecond: number(/^tps = ([\d.]+)/m),
    averageMs: number(/^latency average = ([\d.]+) ms/m),
  };
  if (!(result.perSecond > 0)) throw new Error(`pgbench gave no rate:\n${stdout}`);
  return result;
}
