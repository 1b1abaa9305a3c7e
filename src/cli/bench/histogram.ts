const SUB_BUCKETS = 64; // Buckets are at most 1/64 wide, so a percentile is right to 1.6 %.
const BUCKETS = 27 * SUB_BUCKETS; // Up to 2^31 microseconds.

/** Latencies in microseconds, counted in log-linear buckets: recording one costs an addition, no allocation. */
export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS);
  #total = 0;

  /** @param us 0 to 2^31-1 microseconds; the fraction is dropped. */
  record(us: number): void {
    const bucket = bucketOf(us | 0);
    this.#counts[bucket] = this.#counts[bucket]! + 1;
    this.#total++;
  }

  /** @returns the latency in milliseconds that `share` (0..1) of what was recorded stayed within. */
  percentileMs(share: number): number {
    const wanted = Math.ceil(this.#total * share);
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket]!;
      if (seen >= wanted && seen > 0) return highestOf(bucket) / 1000;
    }
    return Number.NaN;
  }

  /** The filled buckets as [bucket, count], to go through JSON. */
  toJSON(): [number, number][] {
    return [...this.#counts]
      .map((count, bucket): [number, number] => [bucket, count])
      .filter(([, n]) => n > 0);
  }

  add(buckets: [number, number][]): void {
    for (const [bucket, count] of buckets) {
      this.#counts[bucket] = this.#counts[bucket]! + count;
      this.#total += count;
    }
  }
}

function bucketOf(us: number): number {
  if (us < 2 * SUB_BUCKETS) return us;
  const shift = 31 - Math.clz32(us) - 6;
  return shift * SUB_BUCKETS + (us >>> shift);
}

function highestOf(bucket: number): number {
  if (bucket < 2 * SUB_BUCKETS) return bucket;
  const shift = Math.floor(bucket / SUB_BUCKETS) - 1;
  return ((bucket - shift * SUB_BUCKETS + 1) << shift) - 1;
}
