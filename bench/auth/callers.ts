import { AdminService } from "../../gen/tally/v1/admin_service_pb.ts";
import { apiKeyFromText } from "../../src/guard/api-key.ts";
import { CAPABILITY_ISSUER } from "../../src/guard/tokens/claims.ts";
import { mintCapability } from "../../src/guard/tokens/mint.ts";
import { NAME_PREFIX } from "../names.ts";
import { type Headers, openCaller } from "../tally.ts";

/** How many grants those callers have who have many. */
export const GRANTS = 32;

/** More often than any generator calls, so that each call is counted and none is refused. */
const NEVER_REACHED = { calls: 1_000_000, callsBurst: 10_000_000, operations: 100_000_000 };

/** What `tally serve` is told so that the tokens of a key are counted likewise. */
export const TOKENS_RATE = `${NEVER_REACHED.calls}:${NEVER_REACHED.callsBurst}`;

/** Those who call a server that asks who they are, each by the headers that say so. */
export type Callers = Readonly<Record<CallerName, Headers>>;

/** By a key, by one of a principal with many grants, by a capability token, by the key of one whose calls are counted. */
export type CallerName = "key" | "grants" | "token" | "rate";

/** @returns  what a caller says who has this credential */
export function bearer(credential: string): Headers {
  return { authorization: `Bearer ${credential}` };
}

/** Where one of many grants is about: each has names of its own. */
export function prefixOfGrant(index: number): string {
  return `bench.${String(index).padStart(2, "0")}.`;
}

/** Make principals with their keys, and a capability token of one. @param root  the headers of who may */
export async function makeCallers(port: number, root: Headers): Promise<Callers> {
  const caller = await openCaller(port, root);
  const keyOf = async (name: string, grants: string[], rate?: typeof NEVER_REACHED) => {
    await caller.call(AdminService.method.createPrincipal, { name, grants, ...(rate && { rate }) });
    const { key } = await caller.call(AdminService.method.createApiKey, { principal: name });
    return key;
  };
  const may = "increment,create";
  const own = [`${may}@bench.`, `${may}@${NAME_PREFIX}`];
  const many = Array.from({ length: GRANTS }, (_, index) => `${may}@${prefixOfGrant(index)}`);
  const key = await keyOf("key", own);
  const grants = await keyOf("grants", many);
  const rate = await keyOf("rate", own, NEVER_REACHED);
  caller.close();

  const token = await mintCapability(apiKeyFromText(key)!, {
    iss: CAPABILITY_ISSUER,
    exp: Math.floor(Date.now() / 1_000) + 86_400,
    allow: ["increment@bench.", "create@=bench.token"],
    rate: { per_second: NEVER_REACHED.calls, burst: NEVER_REACHED.callsBurst },
  });
  return { key: bearer(key), grants: bearer(grants), token: bearer(token), rate: bearer(rate) };
}
