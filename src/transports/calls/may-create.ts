import type { Op } from "../../core/op.ts";
import { Permission } from "../../core/permissions.ts";
import type { Access } from "./authorise.ts";
import { makes } from "./op-denial.ts";

/** An operation as its caller may do it: who may not create has it refused where its counter is missing. */
export function asPermitted(op: Op, access: Access | undefined): Op {
  if (access === undefined || (access.everywhere & Permission.CREATE) !== 0 || !makes(op.verb)) return op;
  return access.allows(Permission.CREATE, { name: op.name }) ? op : { ...op, mayCreate: false };
}
