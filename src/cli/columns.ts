/** Columns as wide as they may be side by side, so that a long text in one does not push the others off a terminal. */

/** Between two columns. */
export const GAP = 2;

/**
 * How wide each column is to be. Those that fit keep their width; what room is left is shared by the others alike.
 *
 * @param wanted  how wide the longest text in each is, in characters
 * @param fixed   which are not to be cut: half a number is another number
 * @param width   of the terminal; the fixed ones may need more
 */
export function fitted(wanted: readonly number[], fixed: readonly boolean[], width: number): number[] {
  const widths = [...wanted];
  let room = width - GAP * (wanted.length - 1);
  for (const [i, isFixed] of fixed.entries()) if (isFixed) room -= wanted[i]!;
  const cut = wanted.map((_, i) => i).filter((i) => !fixed[i]);
  cut.sort((a, b) => wanted[a]! - wanted[b]!);
  for (const [before, i] of cut.entries()) {
    const share = Math.floor(room / (cut.length - before));
    widths[i] = Math.min(wanted[i]!, Math.max(share, NARROWEST));
    room -= widths[i]!;
  }
  return widths;
}

/** Of less nobody makes anything. */
const NARROWEST = 8;

/** A text of at most so many characters: of a longer one the beginning and the end, which tell names apart. */
export function shortened(text: string, width: number): string {
  const characters = Array.from(text);
  if (characters.length <= width) return text;
  const end = Math.floor((width - 1) / 2);
  const beginning = characters.slice(0, width - 1 - end).join("");
  return `${beginning}…${end > 0 ? characters.slice(-end).join("") : ""}`;
}
