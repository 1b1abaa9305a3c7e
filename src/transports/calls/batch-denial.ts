import { nameReader, type OpColumns } from "../../core/columns.ts";
import { Verb } from "../../core/op.ts";
import { Permission, type Permissions } from "../../core/permissions.ts";
import type { Access } from "./authorise.ts";
import { about, type Refused } from "./call.ts";

/** Why a caller may not do an operation of a batch: the first that is so refuses all of it. */
export function batchDenial(ops: OpColumns, access: Access): Refused | undefined {
  const nameAt = nameReader(ops);
  for (let index = 0; index < ops.count; index++) {
    const name = nameAt(index);
    const refusal = access.denial(NEEDED[ops.verbs[index]!]!, { name });
    if (refusal !== undefined) return about(name, { ...refusal, index });
  }
  return undefined;
}

/** What the method needs that does an operation alone. */
const NEEDED: Readonly<Record<number, Permissions>> = {
  [Verb.INCREMENT]: Permission.INCREMENT,
  [Verb.DECREMENT]: Permission.DECREMENT,
  [Verb.SET]: Permission.SET,
  [Verb.RESET]: Permission.SET,
};
