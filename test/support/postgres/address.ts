import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { binary } from "./programs.ts";

/** The role that tests count as: it owns the database `tally`, and is no superuser. */
export const ROLE = { user: "tally", password: "counted", database: "tally" } as const;
/** The role of those who run the server. */
export const ADMIN = { user: "postgres", password: "admin", database: "postgres" } as const;

/** Where a server of ours listens, on the loopback, and what may be asked of it there. */
export class PostgresAddress {
  readonly port: number;

  constructor(port: number) {
    this.port = port;
  }

  /** Where Tally finds it. @param port  of a proxy in front of it */
  url({ schema, port = this.port }: { schema?: string; port?: number } = {}): string {
    const { user, password, database } = ROLE;
    const url = `postgres://${user}:${password}@127.0.0.1:${port}/${database}`;
    return schema === undefined ? url : `${url}?schema=${schema}`;
  }

  /** For PostgreSQL's own programs, as the superuser. */
  conninfo(database: string = ADMIN.database): string {
    const { user, password } = ADMIN;
    return `host=127.0.0.1 port=${this.port} user=${user} password=${password} dbname=${database}`;
  }

  /**
   * Run a statement as the superuser.
   *
   * @returns  the rows, a line each, their columns parted by "|"; "" when there are none
   * @throws Error  with what the server said
   */
  async sql(statement: string, database: string = ADMIN.database): Promise<string> {
    const args = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement];
    const { stdout } = await run(binary("psql"), [this.conninfo(database), ...args]);
    return stdout.trimEnd();
  }

  /** Whether it follows another, and so takes no writes. */
  async isStandby(): Promise<boolean> {
    return (await this.sql("SELECT pg_is_in_recovery()")) === "t";
  }
}

const run = promisify(execFile);
