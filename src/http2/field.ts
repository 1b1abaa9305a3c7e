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
