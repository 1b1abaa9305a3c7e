import { type DescMethod, getOption } from "@bufbuild/protobuf";
import { RateLimitService } from "../../../gen/envoy/service/ratelimit/v3/rls_pb.ts";
import { Permission as ApiPermission, permission } from "../../../gen/tally/v1/permission_pb.ts";
import { Permission, type Permissions } from "../../core/permissions.ts";

/** What the option of a method says, as bits; 0 needs no more than to be known. */
const BITS: Readonly<Record<ApiPermission, Permissions | undefined>> = {
  [ApiPermission.UNSPECIFIED]: undefined,
  [ApiPermission.READ]: Permission.READ,
  [ApiPermission.INCREMENT]: Permission.INCREMENT,
  [ApiPermission.DECREMENT]: Permission.DECREMENT,
  [ApiPermission.SET]: Permission.SET,
  [ApiPermission.CREATE]: Permission.CREATE,
  [ApiPermission.MANAGE]: Permission.MANAGE,
  [ApiPermission.OBSERVE]: Permission.OBSERVE,
  [ApiPermission.ADMIN]: Permission.ADMIN,
  [ApiPermission.ANYBODY]: 0,
};

/** A permission of the API as bits; undefined of what cannot be granted. */
export function bitsOf(asked: ApiPermission): Permissions | undefined {
  return BITS[asked] || undefined;
}

/** The first of some permissions, as the API has it. */
export function firstOf(permissions: Permissions): ApiPermission {
  const found = Object.entries(BITS).find(([, bits]) => ((bits ?? 0) & permissions) !== 0);
  return found === undefined ? ApiPermission.UNSPECIFIED : (Number(found[0]) as ApiPermission);
}

/** Of protos that are others', and have no such option. */
const OTHERS: readonly (readonly [DescMethod, Permissions])[] = [
  [RateLimitService.method.shouldRateLimit, Permission.INCREMENT],
];

/**
 * What a caller needs on each target of a method; 0: nothing but to be known.
 *
 * @throws TypeError  of a method that does not say: it must not be open to everybody by mistake
 */
export function permissionOf(method: DescMethod): Permissions {
  const bits = OTHERS.find(([other]) => other === method)?.[1] ?? BITS[getOption(method, permission)];
  if (bits === undefined) throw new TypeError(`${method.parent.typeName}/${method.name} has no permission`);
  return bits;
}
