import { TallyError } from "../../core/errors.ts";
import type { Store, StoreOptions } from "../../service/store.ts";

export async function openSqlite(_path: string, _options: StoreOptions): Promise<Store> {
  throw new TallyError("STORE_UNAVAILABLE", "sqlite is being written");
}
