import { TallyError } from "../core/errors.ts";
import type { Store, StoreOptions } from "../service/store.ts";

/**
 * Open the store that a URL names, loading no other's code.
 *
 * @param url  "sqlite:./tally.db" (made if missing), "postgres://user:password@host/database", or "memory:"
 * @throws TallyError STORE_UNAVAILABLE, with one sentence for the operator
 */
export async function openStore(url: string, options: StoreOptions): Promise<Store> {
  const scheme = url.slice(0, url.indexOf(":") + 1);
  switch (scheme) {
    case "memory:": {
      const { MemoryStore } = await import("./memory.ts");
      return new MemoryStore(options);
    }
    case "sqlite:": {
      const { openSqlite } = await import("./sqlite/store.ts");
      return openSqlite(url.slice(scheme.length), options);
    }
    case "postgres:":
    case "postgresql:": {
      const { openPostgres } = await import("./postgres/store.ts");
      return openPostgres(url, options);
    }
    default:
      throw new TallyError(
        "STORE_UNAVAILABLE",
        `No store is known by URLs that begin with "${scheme || url.slice(0, 20)}"; expected sqlite:PATH (for example ` +
          "sqlite:./tally.db), postgres://USER:PASSWORD@HOST/DATABASE, or memory:.",
      );
  }
}
