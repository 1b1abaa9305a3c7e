/** Where time comes from. Handed in, so that tests own it. */
export interface Clock {
  /** The wall clock: milliseconds since the Unix epoch. May jump. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes back. For durations. */
  monotonic(): number;
}
