import { isName } from "../core/name.ts";
import { type Op, Verb } from "../core/op.ts";

/** One operation, and the request id it came with. */
export interface Asked {
  readonly op: Op;
  readonly requestId: string | undefined;
}

/** The tags of IncrementRequest's fields; DecrementRequest has the same without the last. */
const NAME = 0x0a;
const AMOUNT = 0x10;
const REQUEST_ID = 0x1a;
const MUST_EXIST = 0x20;

/**
 * An IncrementRequest or DecrementRequest as encoders write it: the hot path, in a tenth of the 3 microseconds
 * that protobuf-es and protovalidate take.
 *
 * @returns  undefined for all that is not plain (a name of 128 bytes and more, an amount of 2^28 and more, a broken
 *           rule, an unusual encoding): then they judge it
 */
export function readPlainChange(
  bytes: Buffer,
  verb: typeof Verb.INCREMENT | typeof Verb.DECREMENT,
): Asked | undefined {
  const end = bytes.length;
  let name: string | undefined;
  let amount: bigint | undefined;
  let requestId: string | undefined;
  let mustExist = false;
  let at = 0;
  while (at < end) {
    const tag = bytes[at]!;
    switch (tag) {
      case NAME:
      case REQUEST_ID: {
        const start = at + 2;
        at = start + bytes[at + 1]!;
        if (bytes[start - 1]! >= 0x80 || !(at <= end)) return undefined;
        const text = bytes.toString("latin1", start, at);
        if (tag === NAME && name === undefined && isName(text)) name = text;
        else if (tag === REQUEST_ID && requestId === undefined && TOKEN_RULE.test(text)) requestId = text;
        else return undefined;
        break;
      }
      case AMOUNT: {
        let value = 0;
        let shift = 0;
        let byte = 0;
        do {
          byte = bytes[++at]!;
          value |= (byte & 0x7f) << shift;
          shift += 7;
        } while (byte >= 0x80 && shift < 28);
        if (byte >= 0x80 || value === 0 || amount !== undefined) return undefined;
        amount = BigInt(value);
        at++;
        break;
      }
      case MUST_EXIST:
        if (verb !== Verb.INCREMENT || bytes[at + 1]! > 1) return undefined;
        mustExist = bytes[at + 1] === 1;
        at += 2;
        break;
      default:
        return undefined;
    }
  }
  if (at !== end || name === undefined) return undefined;
  return { op: { verb, name, amount: amount ?? 1n, mustExist }, requestId };
}

/** Of request ids, as the .proto file has it; they are ASCII, so characters are bytes. */
const TOKEN_RULE = /^[!-~]{1,64}$/;
