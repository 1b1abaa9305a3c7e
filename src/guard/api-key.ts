import { createHash, timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";
import { capabilityKeyOf } from "./capability-key.ts";
import { type RandomBytes, randomId } from "./random-id.ts";

/**
 * An API key: "tally_", 12 characters of an id, "_", 43 of a secret, "_", 6 of a checksum, all of them letters and digits,
 * so that a double click takes all of it, and what looks for leaked secrets knows one from a chance text.
 */
export interface ApiKey {
  /** Which key it is; not secret. */
  readonly id: string;
  /** 32 random bytes. */
  readonly secret: Buffer;
}

/** What is kept of a key in the place of its secret. */
export interface KeptOfKey {
  /** SHA-256 of the secret. A random secret of 256 bits is not guessed, so it needs no slow hash. */
  readonly sha256: Buffer;
  /** What checks its capability tokens: see capabilityKeyOf. */
  readonly publicKey: string;
}

/** A key that nobody has. */
export function newApiKey(randomBytes: RandomBytes): ApiKey {
  return { id: randomId(randomBytes), secret: randomBytes(SECRET_BYTES) };
}

/** As its holder sends it. */
export function apiKeyToText({ id, secret }: ApiKey): string {
  const text = `${API_KEY_START}${id}_${toBase62(BigInt(`0x${secret.toString("hex")}`), SECRET_CHARACTERS)}`;
  return `${text}_${checksumOf(text)}`;
}

/** And back; undefined of what is none: of another length or form, or with another checksum. */
export function apiKeyFromText(text: string): ApiKey | undefined {
  if (text.length !== KEY_CHARACTERS) return undefined;
  const [, rest, id, digits, checksum] = FORM.exec(text) ?? [];
  if (rest === undefined || checksumOf(rest) !== checksum) return undefined;
  const number = fromBase62(digits!);
  if (number >= SECRETS) return undefined; // Each secret has one text.
  return { id: id!, secret: Buffer.from(number.toString(16).padStart(SECRET_BYTES * 2, "0"), "hex") };
}

/** What every key begins with. */
export const API_KEY_START = "tally_";

/** What is kept of a key. */
export function keptOf({ secret }: ApiKey): KeptOfKey {
  return { sha256: digestOf(secret), publicKey: capabilityKeyOf(secret).publicKey };
}

/** Whether a key is the one of which something is kept. How long it takes says nothing of how far they are alike. */
export function isKeyOf({ secret }: ApiKey, { sha256 }: Pick<KeptOfKey, "sha256">): boolean {
  return timingSafeEqual(digestOf(secret), sha256);
}

function digestOf(secret: Buffer): Buffer {
  return createHash("sha256").update(secret).digest();
}

/** CRC-32 of all that stands before it. */
function checksumOf(text: string): string {
  return toBase62(BigInt(crc32(text)), CHECKSUM_CHARACTERS);
}

function toBase62(number: bigint, characters: number): string {
  let text = "";
  for (let rest = number; text.length < characters; rest /= 62n) text = DIGITS[Number(rest % 62n)] + text;
  return text;
}

function fromBase62(text: string): bigint {
  let number = 0n;
  for (const digit of text) number = number * 62n + BigInt(DIGITS.indexOf(digit));
  return number;
}

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET_BYTES = 32;
const SECRETS = 1n << 256n;
const SECRET_CHARACTERS = 43;
const CHECKSUM_CHARACTERS = 6;
const FORM = /^(tally_([0-9A-Za-z]{12})_([0-9A-Za-z]{43}))_([0-9A-Za-z]{6})$/;
const KEY_CHARACTERS = API_KEY_START.length + 12 + 1 + SECRET_CHARACTERS + 1 + CHECKSUM_CHARACTERS;
