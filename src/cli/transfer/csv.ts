/** CSV as RFC 4180 has it: fields between commas, those with a comma, a quote or a line break in quotes. */

/** A line of CSV, without its end. */
export function rowText(fields: readonly string[]): string {
  return fields
    .map((field) => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field))
    .join(",");
}

/** A row whose last field is in quotes that do not end. */
export interface Open {
  /** How many fields stand before that one. */
  readonly fields: number;
  /** Where in the text its quote is. */
  readonly at: number;
}

/**
 * The fields of a row; undefined when it is none: something stands before or behind quotes.
 *
 * @param text  without the line break that ends it; those within quotes are in it
 */
export function fieldsOf(text: string): string[] | Open | undefined {
  const fields: string[] = [];
  FIELD.lastIndex = 0;
  for (let at = 0; ; at = FIELD.lastIndex) {
    const found = FIELD.exec(text);
    if (found === null) return OPEN.test(text.slice(at)) ? { fields: fields.length, at } : undefined;
    const [, quoted, plain, separator] = found;
    fields.push(quoted === undefined ? plain! : quoted.replaceAll('""', '"'));
    if (separator === "") return fields;
  }
}

const FIELD = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|$)/gy;
const OPEN = /^"(?:[^"]|"")*$/;

/** Whether so many quotes are in it that those which were open before it end. */
export function closes(line: string): boolean {
  let quotes = 0;
  for (let at = line.indexOf('"'); at !== -1; at = line.indexOf('"', at + 1)) quotes++;
  return quotes % 2 === 1;
}
