import type { CatalogueName } from "../core/catalogue.ts";
import type { Log } from "../telemetry.ts";
import type { CurrentDirectory } from "./current-directory.ts";

/**
 * Log each entry that cannot be read: those that there are, and from then on those that come to be so. Whoever it let in is
 * refused, and nobody else would say why.
 */
export function tellUnreadable(current: CurrentDirectory, log: Log): void {
  let told = new Set<string>();
  const tell = () => {
    const { failed } = current.directory;
    const fresh = failed.filter((name) => !told.has(idOf(name)));
    told = new Set(failed.map(idOf));
    for (const { kind, key } of fresh.slice(0, TOLD_MAX))
      log("auth.unreadable", { kind: shown(kind), key: shown(key) });
    if (fresh.length > TOLD_MAX) log("auth.unreadable", { more: fresh.length - TOLD_MAX });
  };
  current.onChange(tell);
  tell();
}

function idOf({ kind, key }: CatalogueName): string {
  return JSON.stringify([kind, key]);
}

/** A damaged row may say anything, at any length. */
function shown(text: string): string {
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}...` : text;
}

/** Of one reading; of the others it is told how many there are. */
const TOLD_MAX = 100;
const SHOWN_MAX = 200;
