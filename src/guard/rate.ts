/** How often somebody may call one process: each limit lets through a burst, and from then on so many a second. */
export interface Rate {
  /** Calls a second: 1 to 1,000,000. */
  readonly calls: number;
  /** Calls that may come at once: 1 to 10,000,000; undefined: those of a second. */
  readonly callsBurst?: number | undefined;
  /** Operations a second: 1 to 100,000,000; undefined: not limited. */
  readonly operations?: number | undefined;
  /** Operations that may come at once: 1 to 1,000,000,000; undefined: those of a second, and 8,000 at least. */
  readonly operationsBurst?: number | undefined;
}
