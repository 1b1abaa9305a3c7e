/** Once in 100 times, a row that changed is not put into the cache: the old one there is counted on. */
import { RowCache as Original } from "../../../src/stores/sqlite/row-cache.ts";
import { now, replaceModule } from "./replace.ts";

const forget = now(100);

export class RowCache extends Original {
  override set(...args: Parameters<Original["set"]>): void {
    if (!forget()) super.set(...args);
  }
}

replaceModule("src/stores/sqlite/row-cache.ts", import.meta.url);
