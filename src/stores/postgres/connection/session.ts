import type pg from "pg";
import { TallyError } from "../../../core/errors.ts";
import { isAnswer, isLost, isStale, isUnprepared, isUnsent, objectionIn, toStoreError } from "./errors.ts";

/** A statement that the server prepares once a connection. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** A row, by the columns' names. bigint columns are bigints, bytea are Buffers. */
export type Row = Readonly<Record<string, unknown>>;

/** A statement and its parameters. */
export type Call = readonly [statement: Statement, values: readonly unknown[]];

/** Whether statements are prepared on connections; a pooler may forbid it. */
export interface Preparing {
  readonly prepares: boolean;
  /** How often all were prepared anew; it is a part of their names. */
  readonly round: number;
  forbid(): void;
  /** The tables have changed: what is sent from now on is prepared for them as they are. */
  anew(): void;
}

/**
 * One connection, in use. What is sent before an answer is awaited travels together, in one round trip.
 */
export class Session {
  readonly #client: pg.PoolClient;
  readonly #preparing: Preparing;
  #broken = false;

  constructor(client: pg.PoolClient, preparing: Preparing) {
    this.#client = client;
    this.#preparing = preparing;
  }

  /** Do something with the connection and give it back; closed instead when it may not be as it was. */
  async use<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (isUnprepared(error)) this.#preparing.forbid();
      if (isStale(error)) this.#preparing.anew();
      if (!isAnswer(error) || isLost(error)) this.#broken = true;
      throw error;
    } finally {
      this.#client.release(this.#broken);
    }
  }

  async send(
    { text, name }: Statement,
    values: readonly unknown[] = [],
    { prepared = true, timeoutMs }: { prepared?: boolean; timeoutMs?: number } = {},
  ): Promise<readonly Row[]> {
    const { prepares, round } = this.#preparing;
    const named = prepared && prepares && { name: `${name}_${round}` };
    const query = { text, values: [...values], ...named, query_timeout: timeoutMs };
    return (await this.#client.query<Row>(query)).rows;
  }

  /** Send what has no parameters; it may be several statements, one after another. */
  async simply(sql: string, timeoutMs?: number): Promise<void> {
    const query: pg.QueryConfig & { query_timeout?: number | undefined } = {
      text: sql,
      query_timeout: timeoutMs,
    };
    await this.#client.query(query);
  }

  /** Undo what the transaction did. */
  async rollback(): Promise<void> {
    if (this.#broken) return;
    try {
      await this.#client.query("ROLLBACK");
    } catch {
      this.#broken = true; // The server rolls back when the connection ends.
    }
  }

  /**
   * Send the last statements of a transaction and its COMMIT, in one go. A statement that fails makes it a rollback.
   *
   * @throws the server's error for the first statement that failed: nothing was saved
   * @throws TallyError OUTCOME_UNKNOWN  the connection ended, or the wait for a standby did
   */
  async commit(writes: readonly Call[]): Promise<void> {
    let warning: string | undefined;
    const onNotice = ({ code, message }: { code?: string | undefined; message?: string | undefined }) => {
      if (code !== "00000") warning = message; // A warning, in whatever language the server speaks.
    };
    this.#client.on("notice", onNotice);
    const sent = writes.map(([statement, values]) => this.send(statement, values));
    const [written, [ended]] = await Promise.all([
      Promise.allSettled(sent),
      Promise.allSettled([this.#client.query("COMMIT")]),
    ]);
    this.#client.off("notice", onNotice);
    const failed = written.find((result) => result.status === "rejected");
    if (failed !== undefined && isAnswer(failed.reason)) {
      // Not where the connection ended with it: a pooler may have passed on all of this, COMMIT included.
      if (!isLost(failed.reason)) throw failed.reason;
    }
    // What was deferred until then: the server has rolled back.
    if (ended!.status === "rejected" && objectionIn(ended!.reason) !== undefined) throw ended!.reason;
    if (ended!.status === "fulfilled" && failed === undefined && warning === undefined) {
      if (ended!.value.command === "COMMIT") return;
      throw new TallyError("STORE_UNAVAILABLE", "PostgreSQL rolled the transaction back; nothing was saved");
    }
    this.#broken = true;
    if (ended!.status === "rejected" && isUnsent(ended!.reason)) throw ended!.reason;
    const cause = failed?.reason ?? (ended!.status === "rejected" ? ended!.reason : new Error(warning));
    throw new TallyError(
      "OUTCOME_UNKNOWN",
      "PostgreSQL did not confirm the commit, which may or may not hold",
      {
        cause,
      },
    );
  }
}

/** The one row that a table of ours has. @throws TallyError STORE_UNAVAILABLE, with what mends it, when it is gone */
export function theRow([row]: readonly Row[], table: keyof typeof PUT_BACK): Row {
  if (row !== undefined) return row;
  throw new TallyError(
    "STORE_UNAVAILABLE",
    `the table ${table} has no row, which somebody deleted by hand; put it back: ${PUT_BACK[table]}`,
  );
}

/** What puts back the row of a table that somebody has emptied. */
export const PUT_BACK = {
  service_state:
    "INSERT INTO service_state (run_ms, log_position, log_bytes_end) SELECT 0, coalesce(max(position), 0), " +
    "coalesce(max(bytes_end), 0) FROM change_log",
  copying: "INSERT INTO copying DEFAULT VALUES",
  history_state: "INSERT INTO history_state DEFAULT VALUES",
  policy_sweep: "INSERT INTO policy_sweep DEFAULT VALUES",
  catalogue_state:
    "INSERT INTO catalogue_state (version, entries, versions) SELECT coalesce(max(version), 0), count(*), " +
    "coalesce(sum(version), 0) FROM catalogue",
  request_id_generations:
    "INSERT INTO request_id_generations (id, opened_ms, bytes) SELECT coalesce(max(r.generation), 0) + 1, " +
    "(SELECT max(run_ms) FROM service_state), 0 FROM request_ids AS r",
} as const;

/** Errors of a session's work as a store's: see toStoreError. */
export async function asStore<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw toStoreError(error);
  }
}
