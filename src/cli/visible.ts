/**
 * Text that others wrote, without the power to move a terminal's cursor, to colour it, or to show its letters in
 * another order than they have: control characters, those that set directions (U+202E turns a line around), those
 * that nobody sees, and halves of characters, each as an escape. What joins letters and emoji stays.
 *
 * @see https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
 */
export function visible(text: string): string {
  return text.replace(UNSEEN, (c) => {
    const code = c.codePointAt(0)!;
    if (code < 0x100) return `\\x${hex(code, 2)}`;
    return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\u{${hex(code, 1)}}`;
  });
}

/** The same for a text in JSON, or for YAML between double quotes: by escapes that a parser turns back. */
export function visibleJson(json: string): string {
  return json.replace(UNSEEN, (c) =>
    c === "\n" ? c : Array.from({ length: c.length }, (_, i) => `\\u${hex(c.charCodeAt(i), 4)}`).join(""),
  );
}

/** Whether a text has what `visible` would change. */
export function hasUnseen(text: string): boolean {
  return text.search(UNSEEN) >= 0;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}

/** All but U+200C and U+200D, without which Persian and many emoji cannot be written. */
const UNSEEN = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
