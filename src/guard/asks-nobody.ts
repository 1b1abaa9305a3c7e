import type { Clock } from "../core/clock.ts";
import type { Catalogue } from "../service/store-catalogue.ts";
import type { Log } from "../telemetry.ts";
import { CurrentDirectory } from "./current-directory.ts";

/** What a server that asks nobody stands on. */
export interface AsksNobodyOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** How often to look, in milliseconds; undefined: every two seconds. */
  readonly lookEveryMs?: number | undefined;
  /** How often to say it again, in milliseconds; undefined: once a minute. */
  readonly tellEveryMs?: number | undefined;
}

/** That it is looked whether the store has got principals. */
export interface AsksNobody {
  close(): void;
}

/**
 * Look, as long as a server asks nobody who they are, whether its store has got principals: of one database somebody else
 * can make them meanwhile, and takes it to be guarded from then on. The log says so at once, and again and again while it
 * lasts. The server goes on: to end it would be an outage by whoever makes the first key.
 *
 * @returns  undefined when there are principals already
 * @throws TallyError  when that cannot be read
 */
export async function openAsksNobody(
  catalogue: Catalogue,
  { clock, log, lookEveryMs = LOOK_EVERY_MS, tellEveryMs = TELL_EVERY_MS }: AsksNobodyOptions,
): Promise<AsksNobody | undefined> {
  let isOpen = false; // Before, who opens it is told; once it is closed, the store is as well.
  const current = await CurrentDirectory.open(catalogue, clock, {
    everyMs: lookEveryMs,
    staleMs: Number.POSITIVE_INFINITY, // Nobody is let in by it.
    onFailure: (err) => isOpen && log("auth.off_unread", { err }),
    onRecovery: () => log("auth.off_read_again"),
  });
  const isKept = () => current.directory.size > 0 || current.directory.hasUnreadable;
  if (isKept()) {
    current.close();
    return undefined;
  }
  isOpen = true;
  let telling: NodeJS.Timeout | undefined;
  const end = () => {
    clearInterval(telling);
    telling = undefined;
  };
  current.onChange(() => {
    if (!isKept()) return end();
    if (telling !== undefined) return;
    const tell = () => log("auth.ignored");
    telling = setInterval(tell, tellEveryMs).unref();
    tell();
  });
  return {
    close() {
      isOpen = false;
      end();
      current.close();
    },
  };
}

const LOOK_EVERY_MS = 2_000;
const TELL_EVERY_MS = 60_000;
