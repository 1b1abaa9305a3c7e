import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { inject } from "vitest";
import { PostgresAddress } from "./address.ts";
import type { StarterAnswer } from "./setup.ts";

/** The server that all tests of a run share; started if it is not there yet. A test takes a schema of its own. */
export async function sharedPostgres(): Promise<PostgresAddress> {
  const answer: StarterAnswer = JSON.parse(await text(connect(inject("postgresStarter"), "127.0.0.1")));
  if ("error" in answer) throw new Error(`the PostgreSQL server of this run did not start: ${answer.error}`);
  return new PostgresAddress(answer.port);
}

/** The name of a schema that nobody else uses. */
export function newSchema(): string {
  return `test_${randomBytes(8).toString("hex")}`;
}
