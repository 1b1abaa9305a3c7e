/**
 * When each API key was last used, to the hour. It stands beside the catalogue, and moves no version of it.
 *
 * It says whether a key is still needed, and nobody is let in by it: so what cannot be read of it (a damaged row, where a
 * store can tell) is not known, and refuses nothing.
 *
 * What is noted of a key goes with its entry (of kind `key`) in the catalogue, in the same step.
 */
export interface KeyUses {
  /**
   * Note that keys were used, in one atomic durable step, without holding up commits. The latest hour stays, in whichever
   * order several processes note it.
   *
   * @param hours  when the hour of the latest use began, in whole milliseconds since the Unix epoch, by the key's id: 1 to
   *               1,000 of them
   */
  note(hours: ReadonlyMap<string, number>): Promise<void>;

  /**
   * Read what is noted of some keys. Sees every note that resolved before it was called.
   *
   * @param keyIds  1 to 1,000
   * @returns       as `note` has it, of those of which something is known
   */
  read(keyIds: readonly string[]): Promise<ReadonlyMap<string, number>>;
}
