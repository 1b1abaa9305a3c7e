import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { AdminService } from "../../../../gen/tally/v1/admin_service_pb.ts";
import type { Refusal } from "../../../core/errors.ts";
import { Grants, grantToText } from "../../../core/grants.ts";
import type { UnaryMethod } from "../call.ts";
import { bitsOf, firstOf } from "../permissions.ts";
import { FIELD_RULES, invalidField } from "../shape.ts";
import { type AdminCalls, adminCall } from "./admin-call.ts";

/** The calls that ask who may do what. */
export function askingCalls(calls: AdminCalls): UnaryMethod[] {
  const { method } = AdminService;
  return [
    adminCall(calls, {
      method: method.whoAmI,
      async answer(_, __, { access }) {
        const identity = access?.identity;
        if (identity === undefined) return AUTH_OFF;
        const { name, credential, keyId = "", grants, expireTimeMs } = identity;
        return {
          name,
          grants: grants.all.map(grantToText),
          credential,
          keyId,
          ...(expireTimeMs !== undefined && { expireTime: timestampFromMs(expireTimeMs) }),
        };
      },
    }),
    adminCall(calls, {
      method: method.checkAccess,
      async answer({ principal: name, permission, target: asked }, administration) {
        const bits = bitsOf(permission);
        if (bits === undefined) return invalidField("permission", FIELD_RULES.permission!, undefined);
        const target = asked.case === "name" ? { name: asked.value } : { prefix: asked.value ?? "" };
        const principal = (await administration.read()).principalByName(name);
        if (principal === undefined && name !== "root" && name !== "anonymous") return NO_PRINCIPAL;
        const grants = name === "root" ? Grants.ALL : principal?.disabled ? Grants.NONE : principal?.grants;
        const grant = grants?.all.find((each) => new Grants([each]).allow(bits, target));
        return { allowed: grant !== undefined, grant: grant === undefined ? "" : grantToText(grant) };
      },
    }),
    adminCall(calls, {
      method: method.listDenied,
      async answer({ max = DENIED }, administration) {
        const denied = administration.denials().slice(0, max);
        return {
          denied: denied.map(({ timeMs, door: _, permission, count, ...each }) => ({
            ...each,
            time: timestampFromMs(timeMs),
            permission: firstOf(permission),
            count: BigInt(count),
          })),
        };
      },
    }),
  ];
}

const DENIED = 50;
const AUTH_OFF: Refusal = { code: "AUTH_OFF" };
const NO_PRINCIPAL: Refusal = { code: "PRINCIPAL_NOT_FOUND" };
