import { nameReader, type OpColumns } from "../../core/columns.ts";
import { Verb } from "../../core/op.ts";
import { Permission, type Permissions } from "../../core/permissions.ts";
import type { Prefixes } from "../../core/prefixes.ts";
import type { Access } from "./authorise.ts";
import { amountDenial, makes, neededBeside } from "./by-caller.ts";
import { about, type Refused } from "./call.ts";

/**
 * The operations of a batch as their caller may do them, with those that may make no counter; or why one may not be done:
 * the first that is so refuses all of it.
 */
export function batchPermitted(ops: OpColumns, access: Access | undefined): OpColumns | Refused {
  if (access === undefined || mayAll(ops, access)) return ops;
  const { everywhere, amountMax } = access;
  const { count, verbs, amounts, extras } = ops;
  const nameAt = nameReader(ops);
  const knownOf: Known[] = []; // By what is needed.
  const allows = (needed: Permissions, i: number) => {
    if ((needed & ~everywhere) === 0) return true;
    knownOf[needed] ??= new Known(needed, ops, access, nameAt);
    return knownOf[needed].allows(i);
  };
  let mayNotCreate: Uint8Array | undefined;
  for (let index = 0; index < count; index++) {
    const verb = verbs[index] as Verb;
    const settings = extras.size === 0 ? undefined : extras.get(index)?.settings;
    const needed = NEEDED[verb]! | neededBeside(verb, settings);
    const create = makes(verb) ? Permission.CREATE : 0;
    const all = allows(needed | create, index); // At once: who may the one mostly may the other by the same grant.
    const refusal =
      (all || (create !== 0 && allows(needed, index))
        ? undefined
        : access.denial(needed, { name: nameAt(index) })) ??
      (amountMax === undefined ? undefined : amountDenial(access, verb, amounts[index]!));
    if (refusal !== undefined) return about(nameAt(index), { ...refusal, index });
    if (!all) {
      mayNotCreate ??= new Uint8Array(count);
      mayNotCreate[index] = 1;
    } else if (extras.size === 0 && amountMax === undefined) {
      const known = (needed | create) & ~everywhere ? knownOf[needed | create]!.until : count;
      while (index + 1 < known && verbs[index + 1] === verb) index++; // Of these nothing else would be asked.
    }
  }
  return mayNotCreate === undefined ? ops : { ...ops, mayNotCreate };
}

/** What the method needs that does an operation alone. */
const NEEDED: Readonly<Record<number, Permissions>> = {
  [Verb.INCREMENT]: Permission.INCREMENT,
  [Verb.DECREMENT]: Permission.DECREMENT,
  [Verb.SET]: Permission.SET,
  [Verb.RESET]: Permission.SET,
};

const ALL = Permission.INCREMENT | Permission.DECREMENT | Permission.SET | Permission.CREATE;

/** Whether there is nothing to look at, whatever the names are. */
function mayAll({ extras }: OpColumns, { everywhere, amountMax }: Access): boolean {
  return (everywhere & ALL) === ALL && amountMax === undefined && extras.size === 0;
}

/** Whether something is permitted on the names of a batch, asked in their order: most begin as others do, by their bytes. */
class Known {
  readonly #needed: Permissions;
  readonly #ops: OpColumns;
  readonly #access: Access;
  readonly #nameAt: (i: number) => string;
  readonly #prefixes: Prefixes | undefined;
  /** The operations before this one, from that on which was asked for last, are permitted as it is. */
  until = 0;

  constructor(needed: Permissions, ops: OpColumns, access: Access, nameAt: (i: number) => string) {
    this.#needed = needed;
    this.#ops = ops;
    this.#access = access;
    this.#nameAt = nameAt;
    this.#prefixes = access.prefixesFor?.(needed);
  }

  allows(i: number): boolean {
    if (i < this.until) return true;
    this.until = this.#prefixes?.endOfRun(this.#ops, i) ?? i;
    return i < this.until || this.#access.allows(this.#needed, { name: this.#nameAt(i) });
  }
}
