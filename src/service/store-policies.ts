/**
 * How far policies have reached the counters that follow them. The policies themselves are entries of the catalogue, see
 * service/policies.ts; what they make of counters is decided with each commit, and by maintenance: see core/settling.ts.
 */
export interface PolicyReads {
  /**
   * Count the counters that follow the policy of a prefix: as of one moment, and seeing every commit, and every policy
   * that was set, before it was called. Looks at all counters under the prefix.
   *
   * @param signal  as for Store.top
   */
  progress(prefix: string, signal?: AbortSignal): Promise<PolicyProgress>;
}

/** How many counters follow a policy, as of one moment. */
export interface PolicyProgress {
  /** Those that have its settings. */
  readonly applied: number;
  /** Those that are yet to get them; or are beyond a bound of it, and so have it only in part. */
  readonly remaining: number;
}
