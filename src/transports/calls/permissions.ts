import { type DescMethod, getOption } from "@bufbuild/protobuf";
import { RateLimitService } from "../../../gen/envoy/service/ratelimit/v3/rls_pb.ts";
import { Permission as Asked, permission } from "../../../gen/tally/v1/permission_pb.ts";
import { Permission, type Permissions } from "../../core/permissions.ts";

/** What the option of a method says, as bits; 0 needs no more than to be known. */
const BITS: Readonly<Record<Asked, Permissions | undefined>> = {
  [Asked.UNSPECIFIED]: undefined,
  [Asked.READ]: Permission.READ,
  [Asked.INCREMENT]: Permission.INCREMENT,
  [Asked.DECREMENT]: Permission.DECREMENT,
  [Asked.SET]: Permission.SET,
  [Asked.CREATE]: Permission.CREATE,
  [Asked.MANAGE]: Permission.MANAGE,
  [Asked.OBSERVE]: Permission.OBSERVE,
  [Asked.ADMIN]: Permission.ADMIN,
  [Asked.ANYBODY]: 0,
};

/** A permission of the API as bits; undefined of what cannot be granted. */
export function bitsOf(asked: Asked): Permissions | undefined {
  return BITS[asked] || undefined;
}

/** The first of some permissions, as the API has it. */
export function firstOf(permissions: Permissions): Asked {
  const found = Object.entries(BITS).find(([, bits]) => ((bits ?? 0) & permissions) !== 0);
  return found === undefined ? Asked.UNSPECIFIED : (Number(found[0]) as Asked);
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
