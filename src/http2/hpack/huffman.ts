/**
 * The Huffman code of RFC 7541, appendix B, read four bits at a time.
 *
 * The code is canonical: codes of one length follow each other in the order of their symbols, and each length goes on
 * where the one before it ended. So the lengths are all of it.
 */

/** The bits of each symbol's code: sixteen symbols a line, from 0x00 to 0xff (RFC 7541, appendix B). */
const LENGTHS = `
  13 23 28 28 28 28 28 28 28 24 30 28 28 30 28 28
  28 28 28 28 28 28 30 28 28 28 28 28 28 28 28 28
   6 10 10 12 13  6  8 11 10 10  8 11  8  6  6  6
   5  5  5  6  6  6  6  6  6  6  7  8 15  6 12 10
  13  6  7  7  7  7  7  7  7  7  7  7  7  7  7  7
   7  7  7  7  7  7  7  7  8  7  8 13 19 13 14  6
  15  5  6  5  6  5  6  6  6  5  7  7  6  6  6  5
   6  7  6  5  5  6  7  7  7  7  7 15 11 14 13 28
  20 22 20 20 22 22 22 23 22 23 23 23 23 23 24 23
  24 24 22 23 24 23 23 23 23 21 22 23 22 23 23 24
  22 21 20 22 22 23 23 21 23 22 22 24 21 22 23 23
  21 21 22 23 21 22 23 23 20 22 22 22 23 22 22 23
  26 26 20 19 22 23 22 25 26 26 26 27 27 26 24 25
  19 21 26 27 27 26 27 24 21 21 26 26 28 27 27 27
  20 24 20 21 22 21 21 23 22 22 25 25 24 24 26 23
  26 27 26 26 27 27 27 27 27 28 27 27 27 27 27 26`
  .trim()
  .split(/\s+/)
  .map(Number);

/** No text has it; a code of it in one is an error (RFC 7541, section 5.2). */
const EOS = 256;
const EOS_LENGTH = 30;

const STATE_MASK = 0x1ff;
const SYMBOL_SHIFT = 9;
const HAS_SYMBOL = 1 << 17;
/** A text may end here: what was read of a code is padding, which is at most seven ones (RFC 7541, section 5.2). */
const MAY_END = 1 << 18;
const NO_CODE = -1;

/**
 * One step for each state and four bits, at `state * 16 + bits`: the state after them in the lowest nine bits, a symbol
 * that ended in them, and two flags. No four bits hold the end of two codes, for the shortest has five.
 */
const STEPS = toSteps(toTree());

/** The shortest code has five bits. */
const SHORTEST_LENGTH = 5;

/** How many octets so many coded ones may become at most. */
export function huffmanBytesMax(codedBytes: number): number {
  return Math.floor((codedBytes * 8) / SHORTEST_LENGTH);
}

/**
 * Decode what lies at `start` to `end` of `from` into `into`, which has room for `huffmanBytesMax`.
 *
 * @returns  how many octets it became; -1 for what is no such code: EOS in it, padding of eight bits or of others than ones
 */
export function decodeHuffman(from: Uint8Array, start: number, end: number, into: Uint8Array): number {
  let state = 0;
  let length = 0;
  let step = MAY_END;
  for (let at = start; at < end; at++) {
    const byte = from[at]!;
    step = STEPS[(state << 4) | (byte >> 4)]!;
    if (step === NO_CODE) return -1;
    if ((step & HAS_SYMBOL) !== 0) into[length++] = step >> SYMBOL_SHIFT;
    step = STEPS[((step & STATE_MASK) << 4) | (byte & 0xf)]!;
    if (step === NO_CODE) return -1;
    if ((step & HAS_SYMBOL) !== 0) into[length++] = step >> SYMBOL_SHIFT;
    state = step & STATE_MASK;
  }
  return (step & MAY_END) === 0 ? -1 : length;
}

/** The two ways on from each node; a leaf is `-2 - symbol`, -1 is no way. Node 0 is the root. */
type Tree = [number, number][];

function toTree(): Tree {
  const symbols = [...LENGTHS, EOS_LENGTH]
    .map((length, symbol) => ({ symbol, length }))
    .sort((a, b) => a.length - b.length || a.symbol - b.symbol);
  const tree: Tree = [[-1, -1]];
  let code = 0;
  let before = symbols[0]!.length;
  for (const { symbol, length } of symbols) {
    code *= 2 ** (length - before);
    before = length;
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const way = (code >>> bit) & 1;
      if (tree[node]![way] === -1) tree[node]![way] = tree.push([-1, -1]) - 1;
      node = tree[node]![way]!;
    }
    tree[node]![code & 1] = -2 - symbol;
    code++;
  }
  return tree;
}

function toSteps(tree: Tree): Int32Array {
  const ends = new Set([0]);
  for (let ones = 1, node = 0; ones <= 7; ones++) {
    node = tree[node]![1];
    ends.add(node);
  }
  return Int32Array.from({ length: tree.length * 16 }, (_, at) => {
    let node = at >> 4;
    let found = 0;
    for (let bit = 3; bit >= 0 && node >= 0; bit--) {
      node = tree[node]![(at >> bit) & 1]!;
      if (node <= -2 && node !== -2 - EOS) {
        found = ((-2 - node) << SYMBOL_SHIFT) | HAS_SYMBOL;
        node = 0;
      }
    }
    return node < 0 ? NO_CODE : node | found | (ends.has(node) ? MAY_END : 0);
  });
}
