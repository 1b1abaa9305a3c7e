/** Who the person at the page is, as what shows it knows them. */
import type { ReadonlySignal } from "@preact/signals";
import type { Grants } from "../core/grants.ts";
import type { Problem } from "./problem.ts";

/** Who it is. */
export interface Who {
  readonly name: string;
  /** As the server writes them. */
  readonly texts: readonly string[];
  /** The same, read; undefined when they cannot be, so that only the server can say. */
  readonly grants: Grants | undefined;
  /** From when on the credential is refused; undefined: never. */
  readonly until: Date | undefined;
}

/** Whoever has a key, or none yet. */
export interface KeyHolder {
  /** Undefined: nobody asks, or it is not known yet. */
  readonly who: ReadonlySignal<Who | undefined>;
  /** Why a key is wanted; undefined: it is not. */
  readonly wanted: ReadonlySignal<Problem | undefined>;
  /** Whether there is a key. */
  readonly hasKey: ReadonlySignal<boolean>;

  /**
   * Take a key, if it is one that the server takes.
   *
   * @throws ConnectError  for a key that it does not take, or without an answer: then the key of before stays
   */
  give(key: string, call: { readonly signal: AbortSignal; readonly timeoutMs: number }): Promise<void>;

  /** Call without a key from now on. */
  forget(): void;

  /** Have the person asked for a key. */
  ask(): void;

  /** They have none to give. */
  decline(): void;
}
