import type { TallyError } from "../core/errors.ts";
import type { SchemaStatus, Store, StoreOptions } from "../service/store.ts";
import { misnamed } from "./shared/unusable.ts";

/**
 * Open the store that a URL names, loading no other's code.
 *
 * @param url  "sqlite:./tally.db" (made if missing), "postgres://user:password@host/database", or "memory:"
 * @throws TallyError STORE_UNAVAILABLE, with one sentence for the operator
 */
export async function openStore(url: string, options: StoreOptions): Promise<Store> {
  const scheme = schemeOf(url);
  switch (scheme) {
    case "memory:": {
      const { MemoryStore } = await import("./memory/store.ts");
      return new MemoryStore(options);
    }
    case "sqlite:": {
      const { openSqlite } = await import("./sqlite/opening.ts");
      return openSqlite(url.slice(scheme.length), options);
    }
    case "postgres:":
    case "postgresql:": {
      const { openPostgres } = await import("./postgres/store.ts");
      return openPostgres(url, options);
    }
    default:
      throw unknown(url);
  }
}

/**
 * Whether a store is none yet, so that opening it makes it. Of one that only its database server could tell of: false.
 *
 * @throws TallyError STORE_UNAVAILABLE, with one sentence for the operator
 */
export async function isNewStore(url: string): Promise<boolean> {
  const scheme = schemeOf(url);
  if (scheme === "memory:") return true;
  if (scheme !== "sqlite:") return false;
  const { isNewSqlite } = await import("./sqlite/looking.ts");
  return isNewSqlite(url.slice(scheme.length));
}

/**
 * Refuse a store in a file that another process has. Nothing is made, and nothing that is there is changed.
 *
 * @throws TallyError STORE_UNAVAILABLE, with one sentence for the operator
 */
export async function assertUnservedStore(url: string): Promise<void> {
  const scheme = schemeOf(url);
  if (scheme !== "sqlite:") return;
  const { assertUnservedSqlite } = await import("./sqlite/looking.ts");
  await assertUnservedSqlite(url.slice(scheme.length));
}

/**
 * Look which schema a store has, without changing it; it may be served meanwhile.
 *
 * @throws TallyError STORE_UNAVAILABLE, with one sentence for the operator, also for a store of a newer schema
 */
export async function schemaStatus(url: string): Promise<SchemaStatus> {
  const scheme = schemeOf(url);
  switch (scheme) {
    case "sqlite:": {
      const { statusOfSqlite } = await import("./sqlite/migrating.ts");
      return statusOfSqlite(url.slice(scheme.length));
    }
    case "postgres:":
    case "postgresql:": {
      const { statusOfPostgres } = await import("./postgres/schema/migrating.ts");
      return statusOfPostgres(url);
    }
    default:
      throw unknown(url);
  }
}

/**
 * Make a store, or bring it to this version's schema, and leave it at that.
 *
 * @param newUid  see StoreOptions
 * @throws TallyError STORE_UNAVAILABLE, with one sentence for the operator
 */
export async function migrateStore(url: string, newUid: StoreOptions["newUid"]): Promise<void> {
  const scheme = schemeOf(url);
  switch (scheme) {
    case "sqlite:": {
      const { migrateSqlite } = await import("./sqlite/migrating.ts");
      return migrateSqlite(url.slice(scheme.length), newUid());
    }
    case "postgres:":
    case "postgresql:": {
      const { migratePostgres } = await import("./postgres/schema/migrating.ts");
      return migratePostgres(url);
    }
    default:
      throw unknown(url);
  }
}

/**
 * Which file a store is in, for what is done to files alone.
 *
 * @param otherwise  what to do instead on PostgreSQL: a sentence
 * @throws TallyError STORE_UNAVAILABLE  of a store that is in no file
 */
export function sqlitePathOf(url: string, otherwise: string): string {
  const scheme = schemeOf(url);
  switch (scheme) {
    case "sqlite:":
      return url.slice(scheme.length);
    case "memory:":
      throw misnamed("memory: is in no file, and keeps nothing.");
    case "postgres:":
    case "postgresql:":
      throw misnamed(otherwise);
    default:
      throw unknown(url);
  }
}

function schemeOf(url: string): string {
  const scheme = url.slice(0, url.indexOf(":") + 1).toLowerCase(); // RFC 3986: either case is the same.
  if (scheme === "sqlite:" && /:\/\/|^\/\/[^/]*[@:]/.test(url.slice(scheme.length))) {
    throw misnamed(
      "The store's URL has a URL behind sqlite:, where the path of a file is expected, such as sqlite:./tally.db.",
    );
  }
  return scheme;
}

function unknown(url: string): TallyError {
  const [scheme] = /^[a-z][a-z0-9+.-]{0,19}:(?=\/\/|$)/i.exec(url) ?? []; // Of anything else it may be a secret.
  const what = scheme === undefined ? "without a scheme" : `that begin with "${scheme}"`;
  return misnamed(
    `No store is known by URLs ${what}; expected sqlite:PATH (for example sqlite:./tally.db), ` +
      "postgres://USER:PASSWORD@HOST/DATABASE, or memory:.",
  );
}
