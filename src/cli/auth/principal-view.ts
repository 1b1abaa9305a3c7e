import { toJson } from "@bufbuild/protobuf";
import { type Principal, PrincipalSchema } from "../../../gen/browser/tally/v1/admin_service_pb.ts";
import type { View } from "../output.ts";
import { timeOf } from "../time-settings.ts";
import { EVERY_FIELD } from "../views.ts";
import { grantsCell } from "./grants.ts";
import { rateCell } from "./rate.ts";

/** A principal by itself, with all there is to know. */
export function principalView(principal: Principal): View {
  const { name, description, grants, rate, disabled, createTime, etag } = principal;
  return asPrincipal(principal, {
    NAME: name,
    GRANTS: grantsCell(grants),
    RATE: rateCell(rate),
    ...(disabled && { DISABLED: "yes: all its calls are refused" }),
    ...(description !== "" && { DESCRIPTION: description }),
    CREATED: timeOf(createTime),
    ETAG: etag,
  });
}

/** A principal in a list. */
export function listedPrincipal(principal: Principal): View {
  const { name, grants, disabled, createTime } = principal;
  return asPrincipal(principal, {
    NAME: name,
    DISABLED: disabled ? "yes" : "",
    CREATED: timeOf(createTime),
    GRANTS: grantsCell(grants),
  });
}

function asPrincipal(principal: Principal, cells: View["cells"]): View {
  const { name } = principal;
  return { json: toJson(PrincipalSchema, principal, EVERY_FIELD), value: name, name, cells };
}
