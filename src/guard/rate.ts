import type { Refusal } from "../core/errors.ts";
import type { CredentialKind } from "./credentials.ts";

/** How often somebody may call one process: each limit lets through a burst, and from then on so many a second. */
export interface Rate {
  /** Calls a second: 1 to 1,000,000. */
  readonly calls: number;
  /** Calls that may come at once: 1 to 10,000,000; undefined: those of a second. */
  readonly callsBurst?: number | undefined;
  /** Operations a second: 1 to 100,000,000; undefined: not limited. */
  readonly operations?: number | undefined;
  /** Operations that may come at once: 1 to 1,000,000,000; undefined: those of a second, and 8,000 at least. */
  readonly operationsBurst?: number | undefined;
}

/** Counts the calls of callers against what they may. */
export interface Rates {
  /** Whether calls of somebody are counted at all. */
  areOf(caller: Counted): boolean;
  /**
   * Count a call.
   *
   * @param monotonicMs  just now, by the clock that never goes back; without it that is read
   * @returns            why it is one too many; undefined: it is not
   */
  head(caller: Counted, address: string, monotonicMs?: number): Refusal | undefined;
  /**
   * Count operations of a call beyond those that were counted before.
   *
   * @param counted  how many of those are refused with these, and so are given back when these are one too many; with them
   *                 they are one amount: so what is more than all at once waits until all is there
   */
  charge(caller: Counted, address: string, operations: number, counted?: number): Refusal | undefined;
}

/** Whose calls are counted. */
export interface Counted {
  readonly caller: string;
  /** By what they said who they are: visitors, with a capability token or with none, are counted by their address too. */
  readonly credential: CredentialKind;
  /** The API key whose tokens it is one of. */
  readonly keyId?: string | undefined;
  /** Which token it is, of one that has a rate of its own: that is not its principal's, nor another token's. */
  readonly token?: string | undefined;
  /** How often it may; undefined: as the server has it for everybody. */
  readonly rate?: Rate | undefined;
}
