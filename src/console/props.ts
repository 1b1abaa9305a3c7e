import type { ReadonlySignal, Signal } from "@preact/signals";
import type { Counter } from "../../gen/browser/tally/v1/counter_pb.ts";
import type { Grants } from "../core/grants.ts";
import type { Counters } from "./counters.ts";

/** What the list and its rows share. */
export interface ListProps {
  readonly counters: Counters;
  /** What the person may do; undefined: everything, or the server has to say. */
  readonly grants: Grants | undefined;
  /** Why the person may make no counter, as a clause; "" when they may. */
  readonly notNew: string;
  /** The prefixes of policies that only try their limits out. */
  readonly shadows: ReadonlySignal<ReadonlySet<string>>;
  /** How much the buttons add and subtract; undefined while the person has typed no such number. */
  readonly step: bigint | undefined;
  readonly asked: Signal<Question | undefined>;
  readonly told: Signal<string>;
}

/** One counter of the list. */
export interface RowProps extends ListProps {
  readonly name: string;
  /** Undefined when its stored row is damaged. */
  readonly counter: Counter | undefined;
}

/** What is asked in a dialog, above the page. */
export type Question =
  | { readonly kind: "create"; readonly name: string }
  | { readonly kind: "set"; readonly name: string }
  | { readonly kind: "reset"; readonly name: string }
  | { readonly kind: "history"; readonly name: string }
  | { readonly kind: "edit"; readonly counter: Counter }
  | { readonly kind: "delete"; readonly name: string }
  | { readonly kind: "server" };
