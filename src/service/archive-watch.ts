import type { Clock } from "../core/clock.ts";
import type { Telemetry } from "../telemetry.ts";
import type { Backups } from "./backups.ts";
import type { Archiving } from "./store-archive.ts";

/**
 * Watches over the archive of a store: tells when it breaks off, and has a backup made when it was begun anew. Until that is
 * there it is of no use, for a restore begins with a backup.
 */
export class ArchiveWatch {
  readonly #archive: Archiving;
  readonly #backups: Pick<Backups, "last" | "soon">;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #forget: () => void;
  /** For which one a backup was asked: by when it was begun. */
  #askedFor: number | undefined;
  #breaks = 0;
  #isBroken = false;
  #isFailing = false;
  #isAway = false;
  #isWhole = false;

  constructor(
    archive: Archiving,
    backups: Pick<Backups, "last" | "soon">,
    clock: Clock,
    telemetry: Telemetry,
  ) {
    this.#archive = archive;
    this.#backups = backups;
    this.#clock = clock;
    this.#telemetry = telemetry;
    const { metrics } = telemetry;
    const [lag, broken] = [metrics.know("archiveLagSeconds", {}), metrics.know("archiveBroken", {})];
    this.#forget = metrics.beforeRead(() => {
      metrics.numbers[lag] = this.#lagSeconds;
      metrics.numbers[broken] = this.#isWhole ? 0 : 1;
    });
    this.look();
  }

  /** What is wrong with it now, a sentence each. */
  get warnings(): readonly string[] {
    const { state, failure } = this.#archive.status;
    const failing =
      failure === undefined ? [] : [`Nothing can be archived now: ${failure.replace(/\.$/, "")}.`];
    if (this.#isWhole) return failing;
    if (state !== "archiving") return ["Nothing is archived: the archive has broken off.", ...failing];
    if (this.#isAway) return failing;
    return [
      "Nothing can be restored through the archive before the next backup: there is none that it goes on from.",
      ...failing,
    ];
  }

  /** Look how it is. Once a second. */
  look(): void {
    const { log } = this.#telemetry;
    const { state, breaks, beganMs, isAway, failure, why } = this.#archive.status;
    this.#isAway = isAway;
    if (failure !== undefined && !this.#isFailing) log("archive.failed", { detail: failure });
    this.#isFailing = failure !== undefined;
    const isBroken = state === "broken";
    if ((isBroken && !this.#isBroken) || breaks > this.#breaks)
      log("archive.broken", { detail: failure ?? why ?? "it could not keep up with what was written" });
    this.#isBroken = isBroken;
    this.#breaks = breaks;
    const { last } = this.#backups;
    const hasBackup = last !== undefined && last.time >= beganMs;
    const isWhole = state === "archiving" && hasBackup && !isAway;
    if (state === "archiving" && !hasBackup && this.#askedFor !== beganMs) {
      this.#askedFor = beganMs;
      this.#backups.soon();
      log("archive.begun", why === undefined ? {} : { detail: why });
    }
    if (isWhole && !this.#isWhole && this.#askedFor === beganMs) log("archive.whole");
    this.#isWhole = isWhole;
  }

  close(): void {
    this.#forget();
  }

  get #lagSeconds(): number {
    const { upToMs } = this.#archive.status;
    return upToMs === 0 ? Number.NaN : Math.max(0, this.#clock.now() - upToMs) / 1_000;
  }
}

/** Look at it every second. @returns  what ends that */
export function startArchiveWatch(watch: ArchiveWatch): { close(): Promise<void> } {
  const timer = setInterval(() => watch.look(), LOOK_EVERY_MS);
  timer.unref();
  return {
    async close() {
      clearInterval(timer);
      watch.close();
    },
  };
}

const LOOK_EVERY_MS = 1_000;
