/** What is wrong with the field where an encoder is. */
export class Fault extends Error {
  readonly expected: string;
  /** Where what was sent instead begins; undefined where the path says it. */
  readonly at: number | undefined;
  constructor(expected: string, at?: number) {
    super(expected);
    this.expected = expected;
    this.at = at;
  }
}
