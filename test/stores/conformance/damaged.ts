import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import Database from "better-sqlite3";
import pg from "pg";
import { v7 } from "uuid";
import { DEFAULT_RETENTION, type Store } from "../../../src/service/store.ts";
import { openStore } from "../../../src/stores/open.ts";
import { HandClock } from "../../support/clock.ts";
import { folderInMemory } from "../../support/folder.ts";
import type { StoreKind } from "../../support/stores.ts";

/**
 * A store of which something was changed by SQL while nobody had it.
 *
 * @param sql   "@" stands for the schema, where there is one
 * @param fill  what is in it before
 */
export async function damaged(
  kind: StoreKind,
  sql: string,
  { fill, test }: Record<"fill" | "test", (store: Store) => Promise<void>>,
): Promise<void> {
  const dir = await mkdtemp(join(folderInMemory(), "tally-test-"));
  const url = await kind.newUrl(dir);
  const options = {
    ...{ clock: new HandClock(), newUid: () => v7(), retention: DEFAULT_RETENTION, cachedCountersMax: 100 },
    warn: () => {},
  };
  let store = await openStore(url, options);
  try {
    await fill(store);
    await store.close();
    await runSql(url, sql);
    store = await openStore(url, options);
    await test(store);
  } finally {
    await store.close();
    await rm(dir, { recursive: true });
  }
}

async function runSql(url: string, sql: string): Promise<void> {
  if (url.startsWith("sqlite:")) {
    const db = new Database(url.slice("sqlite:".length));
    db.exec(sql.replaceAll("@", ""));
    db.close();
    return;
  }
  const [base, schema] = url.split("?schema=");
  const client = new pg.Client({ connectionString: base! });
  await client.connect();
  await client.query(sql.replaceAll("@", `${schema}.`));
  await client.end();
}
