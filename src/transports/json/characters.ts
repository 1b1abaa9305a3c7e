/** The characters that JSON is made of, as bytes. */
export const TAB = 0x09;
export const LINE_FEED = 0x0a;
export const RETURN = 0x0d;
export const SPACE = 0x20;
export const QUOTE = 0x22;
export const PLUS = 0x2b;
export const COMMA = 0x2c;
export const MINUS = 0x2d;
export const DOT = 0x2e;
export const DIGIT_0 = 0x30;
export const DIGIT_9 = 0x39;
export const COLON = 0x3a;
export const CAPITAL_A = 0x41;
export const CAPITAL_E = 0x45;
export const CAPITAL_Z = 0x5a;
export const OPEN_ARRAY = 0x5b;
export const BACKSLASH = 0x5c;
export const CLOSE_ARRAY = 0x5d;
export const UNDERSCORE = 0x5f;
const LETTER_A = 0x61;
export const LETTER_E = 0x65;
export const LETTER_F = 0x66;
export const LETTER_N = 0x6e;
export const LETTER_T = 0x74;
export const LETTER_U = 0x75;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;

export function isDigit(byte: number): boolean {
  return byte >= DIGIT_0 && byte <= DIGIT_9;
}

export function isHexDigit(byte: number): boolean {
  const letter = byte | 0x20; // In lower case.
  return isDigit(byte) || (letter >= LETTER_A && letter <= LETTER_F);
}

/** Whether a backslash may stand before it; u is another matter. */
export function isEscape(byte: number): boolean {
  return ESCAPES[byte] === 1;
}

const ESCAPES = new Uint8Array(0x80);
for (const byte of Buffer.from('"\\/bfnrt')) ESCAPES[byte] = 1;
