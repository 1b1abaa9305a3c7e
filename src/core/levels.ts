/** How long a bucket of history is: a minute, a quarter of an hour, a UTC day. The finest is the lowest. */
export const Level = { MINUTE: 0, QUARTER: 1, DAY: 2 } as const;
export type Level = (typeof Level)[keyof typeof Level];

/** All of them, the finest first. */
export const LEVELS: readonly Level[] = [Level.MINUTE, Level.QUARTER, Level.DAY];

/** The length of a bucket, in milliseconds, by level. All are cut from the Unix epoch. */
export const BUCKET_MS: Readonly<Record<Level, number>> = {
  [Level.MINUTE]: 60_000,
  [Level.QUARTER]: 900_000,
  [Level.DAY]: 86_400_000,
};

/** The start of the bucket that holds an instant. */
export function bucketStart(level: Level, time: number): number {
  return Math.floor(time / BUCKET_MS[level]) * BUCKET_MS[level];
}

/**
 * How long the buckets of one counter are packed into one row for, by level: an hour of minutes, a day of quarters of an
 * hour, 32 days of days. All are cut from the Unix epoch.
 */
export const PERIOD_MS: Readonly<Record<Level, number>> = {
  [Level.MINUTE]: 3_600_000,
  [Level.QUARTER]: 86_400_000,
  [Level.DAY]: 32 * 86_400_000,
};

/** The start of the period that holds an instant. */
export function periodStart(level: Level, time: number): number {
  return Math.floor(time / PERIOD_MS[level]) * PERIOD_MS[level];
}
