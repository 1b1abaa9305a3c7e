/**
 * How old a connection becomes, in milliseconds: a tenth more or less than it may, by its client's port. Those that came at
 * once, because another instance went away, are not to go at once.
 *
 * @param ageMs  how old it may be; infinite: as old as it likes
 * @param port   of the client; undefined where it is not known
 */
export function spreadAge(ageMs: number, port: number | undefined): number {
  return port === undefined ? ageMs : ageMs * (0.9 + (0.2 * ((port * STEP) % SLOTS)) / SLOTS);
}

/** Ports that follow each other come to lie far apart. */
const SLOTS = 101;
const STEP = 41;
