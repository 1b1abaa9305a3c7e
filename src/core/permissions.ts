/** What a caller may do, as a set of bits. The numbers are for memory alone; what is stored and sent are the words. */
export const Permission = {
  READ: 1,
  INCREMENT: 2,
  DECREMENT: 4,
  SET: 8,
  CREATE: 16,
  MANAGE: 32,
  OBSERVE: 64,
  ADMIN: 128,
} as const;

/** Any of Permission, or several of them added up; 0 is none. */
export type Permissions = number;

/** Every permission by its word, in the order of how they are written. */
export const PERMISSION_WORDS = [
  ["read", Permission.READ],
  ["increment", Permission.INCREMENT],
  ["decrement", Permission.DECREMENT],
  ["set", Permission.SET],
  ["create", Permission.CREATE],
  ["manage", Permission.MANAGE],
  ["observe", Permission.OBSERVE],
  ["admin", Permission.ADMIN],
] as const;

/** Words that are short for several. */
const SHORT = [
  ["write", Permission.INCREMENT | Permission.DECREMENT | Permission.SET | Permission.CREATE],
  ["all", 255],
] as const;

/** Those that only mean something on all names. */
export const ON_ALL_ALONE: Permissions = Permission.OBSERVE | Permission.ADMIN;

/** @returns  what "read,increment" means; undefined when a word is none */
export function permissionsFromText(text: string): Permissions | undefined {
  let permissions: Permissions = 0;
  for (const word of text.split(",")) {
    const bits = [...PERMISSION_WORDS, ...SHORT].find(([known]) => known === word)?.[1];
    if (bits === undefined) return undefined;
    permissions |= bits;
  }
  return permissions;
}

/** And back, in one order; "all" for all of them. */
export function permissionsToText(permissions: Permissions): string {
  if (permissions === 255) return "all";
  return PERMISSION_WORDS.filter(([, bit]) => (permissions & bit) !== 0)
    .map(([word]) => word)
    .join(",");
}
