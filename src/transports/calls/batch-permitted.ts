import { nameReader, type OpColumns } from "../../core/columns.ts";
import { Verb } from "../../core/op.ts";
import { Permission, type Permissions } from "../../core/permissions.ts";
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
  const known: Known[] = []; // By what is needed.
  const allows = (needed: Permissions, i: number) => {
    if ((needed & ~everywhere) === 0) return true;
    known[needed] ??= new Known(needed, ops, access, nameAt);
    return known[needed].allows(i);
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

/** Whether something is permitted on the names of a batch: most begin like the one before, which their bytes tell. */
class Known {
  readonly #needed: Permissions;
  readonly #ops: OpColumns;
  readonly #access: Access;
  readonly #nameAt: (i: number) => string;
  /** On all that begins so it is. Each is that of a grant, of which there are not many. */
  readonly #prefixes: Uint8Array[] = [];
  /** Of these the one that a name began with last; most do again. */
  #last: Uint8Array | undefined;

  constructor(needed: Permissions, ops: OpColumns, access: Access, nameAt: (i: number) => string) {
    this.#needed = needed;
    this.#ops = ops;
    this.#access = access;
    this.#nameAt = nameAt;
  }

  allows(i: number): boolean {
    const { names, nameEnds } = this.#ops;
    const start = i === 0 ? 0 : nameEnds[i - 1]!;
    const end = nameEnds[i]!;
    if (this.#last !== undefined && begins(names, start, end, this.#last)) return true;
    for (const prefix of this.#prefixes) {
      if (!begins(names, start, end, prefix)) continue;
      this.#last = prefix;
      return true;
    }
    const name = this.#nameAt(i);
    if (!this.#access.allows(this.#needed, { name })) return false;
    const prefix = this.#access.prefixOf?.(this.#needed, name);
    if (prefix === undefined) return true;
    this.#last = Buffer.from(prefix, "latin1");
    this.#prefixes.push(this.#last);
    return true;
  }
}

/** Whether the name from start to end begins with a prefix: compared from its end, as grants are. */
function begins(names: Uint8Array, start: number, end: number, prefix: Uint8Array): boolean {
  if (end - start < prefix.length) return false;
  for (let k = prefix.length - 1; k >= 0; k--) if (names[start + k] !== prefix[k]) return false;
  return true;
}
