import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { AdminService, type ApiKeySchema } from "../../../../gen/tally/v1/admin_service_pb.ts";
import { type Refusal, TallyError } from "../../../core/errors.ts";
import type { Key } from "../../../guard/entries.ts";
import type { UnaryMethod } from "../call.ts";
import { type AdminCalls, adminCall } from "./admin-call.ts";

/** The calls about API keys. */
export function keyCalls(calls: AdminCalls): UnaryMethod[] {
  const { method } = AdminService;
  return [
    adminCall(calls, {
      method: method.createApiKey,
      about: ({ principal }) => principal,
      async answer({ principal, description, ttl }, administration) {
        const ttlMs = ttl === undefined ? undefined : durationMs(ttl);
        const made = await administration.createKey(principal, { description, ttlMs });
        return "code" in made ? made : { apiKey: toMessage(made.key, principal), key: made.text };
      },
    }),
    adminCall(calls, {
      method: method.listApiKeys,
      async answer({ principal }, administration) {
        const directory = await administration.read();
        const found = directory.principalByName(principal);
        if (found === undefined) return NO_PRINCIPAL;
        const keys = directory.keysOf(found.id);
        const used = await administration.lastUsesOf(keys.map(({ id }) => id));
        return { apiKeys: keys.map((key) => toMessage(key, principal, used.get(key.id))) };
      },
    }),
    adminCall(calls, {
      method: method.revokeApiKey,
      about: ({ id }) => id,
      async answer({ id }, administration) {
        const key = await administration.revokeKey(id);
        if ("code" in key) return key;
        const principal = (await administration.read()).principalById(key.principalId)?.name ?? "";
        const used = await administration.lastUsesOf([id]).catch(notKnown);
        return { apiKey: toMessage(key, principal, used.get(id)) };
      },
    }),
  ];
}

/** What was done is answered as done, also where its last use cannot be read. */
function notKnown(error: unknown): ReadonlyMap<string, number> {
  if (error instanceof TallyError) return new Map();
  throw error;
}

/** @param lastUseMs  undefined: not known */
function toMessage(key: Key, principal: string, lastUseMs?: number): MessageInitShape<typeof ApiKeySchema> {
  const { id, description, createTimeMs, expireTimeMs, revokeTimeMs } = key;
  return {
    id,
    principal,
    description,
    createTime: timestampFromMs(createTimeMs),
    ...(expireTimeMs !== undefined && { expireTime: timestampFromMs(expireTimeMs) }),
    ...(revokeTimeMs !== undefined && { revokeTime: timestampFromMs(revokeTimeMs) }),
    ...(lastUseMs !== undefined && { lastUseTime: timestampFromMs(lastUseMs) }),
  };
}

const NO_PRINCIPAL: Refusal = { code: "PRINCIPAL_NOT_FOUND" };
