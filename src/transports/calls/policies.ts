import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { CounterSettings } from "../../../gen/tally/v1/counter_pb.ts";
import {
  DeletePolicyRequestSchema,
  DeletePolicyResponseSchema,
  Enforcement,
  type GetPolicyRequest,
  GetPolicyRequestSchema,
  GetPolicyResponseSchema,
  ListPoliciesRequestSchema,
  ListPoliciesResponseSchema,
  type PolicySchema,
  PolicyService,
  SetPolicyRequestSchema,
  SetPolicyResponseSchema,
} from "../../../gen/tally/v1/policy_service_pb.ts";
import type { Clock } from "../../core/clock.ts";
import type { Epoch } from "../../core/epoch.ts";
import type { Refusal } from "../../core/errors.ts";
import { POLICIES_DAMAGED } from "../../core/following.ts";
import type { PolicySet } from "../../core/policies.ts";
import { defaultIdleTtlMs, type Policy } from "../../core/policy.ts";
import type { Settings } from "../../core/settings.ts";
import { type Calendar, isCalendar } from "../../core/window.ts";
import { Policies } from "../../service/policies.ts";
import type { SerialReads } from "../../service/serial-reads.ts";
import type { Store } from "../../service/store.ts";
import type { PolicyReads } from "../../service/store-policies.ts";
import { type CallContext, type Refused, tooLarge, type UnaryMethod } from "./call.ts";
import { fromPoliciesToken, toPoliciesToken } from "./page-token.ts";
import { permissionOf } from "./permissions.ts";
import { readCall, SCAN_COST } from "./read-call.ts";
import { settingFields, settingsOf } from "./setting-fields.ts";
import { invalidField, readRequest } from "./shape.ts";
import { timeFault } from "./time-fields.ts";

/** What the calls about policies need. */
export interface PolicyCalls {
  /** Undefined where the store keeps none. */
  readonly kept: { readonly policies: Policies; readonly reads: PolicyReads } | undefined;
  /** Of the store. */
  readonly epoch: Epoch;
  readonly clock: Clock;
  readonly calendar: Calendar;
}

/** The policies of a store, for the calls. */
export function policiesOf(store: Store, clock: Clock, calendar: Calendar): PolicyCalls {
  const { catalogue, epoch, policies: reads } = store;
  const kept = catalogue && reads && { policies: new Policies(catalogue, epoch), reads };
  return { kept, epoch, clock, calendar };
}

/** SetPolicy: the policy of a prefix, whole. */
export function setPolicy(calls: PolicyCalls, requestBytesMax: number): UnaryMethod {
  const method = PolicyService.method.setPolicy;
  return {
    method,
    changes: true,
    requestBytesMax,
    async answer(bytes, context) {
      if (bytes.length > requestBytesMax) return tooLarge(bytes.length, requestBytesMax);
      const request = readRequest(SetPolicyRequestSchema, bytes);
      if ("code" in request) return request;
      const { prefix = "", enforcement, etag } = request.message; // It is there: that is a rule of the message.
      const settings = policySettings(request.message.settings, calls);
      if ("code" in settings) return settings;
      const denied = context.access?.denial(permissionOf(method), { prefix });
      if (denied !== undefined) return denied;
      if (calls.kept === undefined) return NOT_KEPT;
      const shadow = enforcement === Enforcement.SHADOW;
      const { policies } = calls.kept;
      const revision = revisionOf(etag, policies);
      const set = await policies.set(prefix, settings, shadow ? "shadow" : "enforce", revision);
      if ("code" in set) return ofSettings(set);
      return toBinary(
        SetPolicyResponseSchema,
        create(SetPolicyResponseSchema, { policy: toMessage(set, policies) }),
      );
    },
  };
}

/** DeletePolicy: its counters are handed on. */
export function deletePolicy({ kept }: PolicyCalls, requestBytesMax: number): UnaryMethod {
  const method = PolicyService.method.deletePolicy;
  return {
    method,
    changes: true,
    requestBytesMax,
    async answer(bytes, context) {
      if (bytes.length > requestBytesMax) return tooLarge(bytes.length, requestBytesMax);
      const request = readRequest(DeletePolicyRequestSchema, bytes);
      if ("code" in request) return request;
      const { prefix = "", etag } = request.message; // It is there: that is a rule of the message.
      const denied = context.access?.denial(permissionOf(method), { prefix });
      if (denied !== undefined) return denied;
      if (kept === undefined) return NOT_KEPT;
      const refused = await kept.policies.remove(prefix, revisionOf(etag, kept.policies));
      return refused ?? toBinary(DeletePolicyResponseSchema, create(DeletePolicyResponseSchema));
    },
  };
}

/** GetPolicy: one policy, and how far it has come. @param scans  of reads that look at all counters */
export function getPolicy({ kept }: PolicyCalls, scans: SerialReads, requestBytesMax: number): UnaryMethod {
  const method = PolicyService.method.getPolicy;
  const targets = ({ prefix }: { prefix: string }) => [{ prefix }];
  const answer = async (
    { prefix }: GetPolicyRequest,
    context: CallContext,
  ): Promise<Uint8Array | Refused> => {
    if (kept === undefined) return NOT_KEPT;
    const found = await readable(kept.policies);
    if ("code" in found) return found;
    const policy = found.get(prefix);
    if (policy === undefined) return { code: "POLICY_NOT_FOUND" };
    const progress = await scans.run(context, (signal) => kept.reads.progress(prefix, signal));
    if ("code" in progress) return progress;
    const { applied, remaining } = progress;
    const response = {
      policy: toMessage(policy, kept.policies),
      applied: BigInt(applied),
      remaining: BigInt(remaining),
    };
    return toBinary(GetPolicyResponseSchema, create(GetPolicyResponseSchema, response));
  };
  return readCall(method, GetPolicyRequestSchema, requestBytesMax, targets, answer, () => SCAN_COST);
}

/** ListPolicies: a page of them. */
export function listPolicies({ kept, epoch }: PolicyCalls, requestBytesMax: number): UnaryMethod {
  const method = PolicyService.method.listPolicies;
  const targets = ({ prefix }: { prefix: string }) => [{ prefix }];
  return readCall(method, ListPoliciesRequestSchema, requestBytesMax, targets, async (request) => {
    const { prefix, pageSize = PAGE_SIZE, pageToken } = request;
    const from = pageToken === "" ? "" : fromPoliciesToken(pageToken, prefix, epoch);
    if (from === undefined) return invalidField("page_token", NOT_OF_THIS_LIST, pageToken);
    if (kept === undefined) return NOT_KEPT;
    const found = await readable(kept.policies);
    if ("code" in found) return found;
    const listed = found.all.filter((policy) => policy.prefix.startsWith(prefix) && policy.prefix >= from);
    const next = listed[pageSize]?.prefix;
    const response = {
      policies: listed.slice(0, pageSize).map((policy) => toMessage(policy, kept.policies)),
      nextPageToken: next === undefined ? "" : toPoliciesToken(next, prefix, epoch),
    };
    return toBinary(ListPoliciesResponseSchema, create(ListPoliciesResponseSchema, response));
  });
}

const NOT_KEPT: Refusal = { code: "POLICIES_NOT_KEPT" };
const PAGE_SIZE = 50;
const NOT_OF_THIS_LIST =
  "must be the next_page_token of a list with the same prefix, of the store as it was last restored";

/** As long as nobody can say what one of them is, none is told. */
async function readable(policies: Policies): Promise<PolicySet | Refusal> {
  const set = await policies.read();
  return set.damaged ? POLICIES_DAMAGED : set;
}

/** What a policy is to give, with what it gives unasked; or why it cannot. */
function policySettings(
  given: CounterSettings | undefined,
  { clock, calendar }: PolicyCalls,
): Settings | Refusal {
  if (given === undefined) return settingsOf({} as CounterSettings);
  const own = Object.keys(given.labels).length > 0 ? "labels" : given.description ? "description" : undefined;
  if (own !== undefined)
    return invalidField(`settings.${own}`, "must be left out: each counter has its own", undefined);
  const fault = timeFault(given);
  if (fault !== undefined) return ofSettings(fault);
  const settings = settingsOf(given);
  const { window } = settings;
  if (window !== undefined && isCalendar(window) && calendar.windowAt(window, clock.now()) === undefined)
    return invalidField(
      "settings.window.time_zone",
      "must be a time zone that this server knows",
      window.timeZone,
    );
  return given.idleTtl === undefined ? { ...settings, idleTtlMs: defaultIdleTtlMs(settings) } : settings;
}

/** With the path of the field in the request. */
function ofSettings(refusal: Refusal): Refused {
  return refusal.field === undefined ? refusal : { ...refusal, field: `settings.${refusal.field}` };
}

/** What no policy has ever been, of a text that is no etag of one. */
function revisionOf(etag: string | undefined, policies: Policies): number | undefined {
  return etag === undefined ? undefined : (policies.revisionIn(etag) ?? -1);
}

function toMessage(
  { prefix, settings, enforcement, revision }: Policy,
  policies: Policies,
): MessageInitShape<typeof PolicySchema> {
  return {
    prefix,
    settings: settingFields(settings) as MessageInitShape<typeof PolicySchema>["settings"] & object,
    enforcement: enforcement === "shadow" ? Enforcement.SHADOW : Enforcement.ENFORCE,
    etag: policies.etagOf(revision),
  };
}
