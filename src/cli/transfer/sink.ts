import { createHash, type Hash } from "node:crypto";
import type { CallError } from "../../client/call-error.ts";
import { refusalSentence } from "../failure.ts";
import type { Imported } from "./imported.ts";
import type { Wanted } from "./record.ts";

/** A counter to import, and where it was found: "line 12" or "key shop:a". */
export interface Found extends Wanted {
  readonly at: string;
}

/** Takes counters one after the other. */
export interface Sink {
  /** Resolves when the next can be taken. @throws CallError  when nothing more can be imported */
  add(found: Found): Promise<void>;
  /** Resolves when all that was taken is answered. @throws CallError */
  finish(): Promise<void>;
  /** The same, of what is on its way; what is not, is left for another run. A slice must be whole to be the same again. */
  stop(): Promise<void>;
}

/** Begin the hash that a request id is made of, from all that says which import it is. */
export function hashOf(...identity: readonly string[]): Hash {
  return createHash("sha256").update(JSON.stringify([IDS, ...identity]));
}

/** Of what request ids are made. Another number, and what a Tally before has begun is imported again. */
const IDS = 1;

/** 160 bits: two that differ never meet. */
export function requestIdOf(hash: Hash): string {
  return `import-${hash.digest("hex").slice(0, 40)}`;
}

/** Tell why one was not imported. */
export function refuse(
  { faults }: Imported,
  { at, name }: Found,
  { reason, message, metadata }: Pick<CallError, "message" | "metadata"> & { readonly reason: string },
): void {
  faults.add(reason, 1, () => {
    // Of a part of a batch the message has where it stood, which means something to us alone.
    const said = message
      .replace(/\boperations\[\d+\]\.(if_missing\.)?/g, "")
      .replace("; nothing was applied", "");
    return `${at}: ${refusalSentence({ reason, message: said, metadata: { ...metadata, name } })}`;
  });
}

/** A server that is started again meanwhile is waited for, as long as --timeout says. */
export const PATIENT = { attemptsMax: Number.POSITIVE_INFINITY };

/** What to do when it ends before its end. Request ids are kept for an hour at least. */
export const AGAIN = "Run the same command again within an hour: what was imported is not imported twice.";
