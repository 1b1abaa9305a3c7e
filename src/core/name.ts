/** The longest name of a counter, in bytes, which are its characters. */
export const NAME_BYTES_MAX = 200;

/** What a name is made of: printable ASCII without spaces, the first not "-". As the .proto files have it, and a test. */
export const NAME_PATTERN = "^[!-,.-~][!-~]*$";

const NAME = new RegExp(NAME_PATTERN);

/** What can be the name of a counter. Of stored ones, all but those that rotted. */
export function isName(text: string): boolean {
  return text.length <= NAME_BYTES_MAX && NAME.test(text);
}

/** What names can begin with, and "" for all of them. */
export function isPrefix(text: string): boolean {
  return text === "" || isName(text);
}
