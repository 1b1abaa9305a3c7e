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
