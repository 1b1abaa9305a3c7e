/** Fields as they were sent: names and values in turn. */

/**
 * A field out of many.
 *
 * @param fields  names in lower case and values in turn
 * @param name    in lower case
 * @returns       several of one name joined (RFC 9110, section 5.3; RFC 9113, section 8.2.3); undefined without it
 */
export function fieldIn(fields: readonly string[], name: string): string | undefined {
  let found: string | undefined;
  for (let at = 0; at < fields.length; at += 2) {
    if (fields[at] !== name) continue;
    found =
      found === undefined ? fields[at + 1]! : `${found}${name === "cookie" ? "; " : ", "}${fields[at + 1]}`;
  }
  return found;
}

/**
 * How often a field was sent, where an engine gives one of several.
 *
 * @param fields  names and values in turn, as they were sent
 * @param name    in lower case
 */
export function countIn(fields: readonly string[], name: string): number {
  let count = 0;
  for (let at = 0; at < fields.length; at += 2) {
    const field = fields[at]!;
    if (field.length === name.length && (field === name || field.toLowerCase() === name)) count++;
  }
  return count;
}
