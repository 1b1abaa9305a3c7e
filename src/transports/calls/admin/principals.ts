import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  AdminService,
  type Principal as PrincipalMessage,
  type PrincipalSchema,
  type Rate as RateMessage,
} from "../../../../gen/tally/v1/admin_service_pb.ts";
import type { Refusal } from "../../../core/errors.ts";
import { GRANTS_MAX, type Grant, Grants, grantFromText, grantToText } from "../../../core/grants.ts";
import type { Administration } from "../../../guard/administration.ts";
import type { Principal } from "../../../guard/entries.ts";
import type { PrincipalFields } from "../../../guard/principals.ts";
import type { UnaryMethod } from "../call.ts";
import { fromPrincipalsToken, toPrincipalsToken } from "../page-token.ts";
import { FIELD_RULES, invalidField } from "../shape.ts";
import { type AdminCalls, adminCall } from "./admin-call.ts";

/** The calls about principals. */
export function principalCalls(calls: AdminCalls): UnaryMethod[] {
  const { method } = AdminService;
  return [
    adminCall(calls, {
      method: method.createPrincipal,
      about: ({ name, grants }) => `${name}: ${grants.join(" ")}`,
      async answer({ name, description, grants: texts, rate }, administration) {
        const grants = grantsFrom(texts, "grants");
        if ("code" in grants) return grants;
        const made = await administration.createPrincipal(name, {
          description,
          grants,
          rate: rateFrom(rate),
        });
        return "code" in made ? made : { principal: toMessage(made, administration) };
      },
    }),
    adminCall(calls, {
      method: method.getPrincipal,
      async answer({ name }, administration) {
        const found = (await administration.read()).principalByName(name);
        return found === undefined ? NOT_FOUND : { principal: toMessage(found, administration) };
      },
    }),
    adminCall(calls, {
      method: method.listPrincipals,
      async answer({ pageSize = PAGE_SIZE, pageToken }, administration) {
        const from = pageToken === "" ? "" : fromPrincipalsToken(pageToken, administration.epoch);
        if (from === undefined) return invalidField("page_token", NO_TOKEN, pageToken);
        const listed = (await administration.read()).principals.filter(({ name }) => name >= from);
        const next = listed[pageSize]?.name;
        return {
          principals: listed.slice(0, pageSize).map((each) => toMessage(each, administration)),
          nextPageToken: next === undefined ? "" : toPrincipalsToken(next, administration.epoch),
        };
      },
    }),
    adminCall(calls, {
      method: method.updatePrincipal,
      about: ({ name, principal, updateMask }) =>
        [`${name}:`, ...(updateMask?.paths.map((path) => toldOf(path, principal)) ?? [])].join(" "),
      async answer({ name, principal, updateMask, etag }, administration) {
        const given = givenIn(principal!, updateMask!.paths); // They are there: that is a rule of the message.
        if ("code" in given) return given;
        const changed = await administration.updatePrincipal(name, given, etag);
        return "code" in changed ? changed : { principal: toMessage(changed, administration) };
      },
    }),
    adminCall(calls, {
      method: method.deletePrincipal,
      about: ({ name }) => name,
      answer: async ({ name, etag }, administration) =>
        (await administration.deletePrincipal(name, etag)) ?? {},
    }),
  ];
}

/** What an update says of a principal, by the names of its mask. */
function givenIn(principal: PrincipalMessage, paths: readonly string[]): Partial<PrincipalFields> | Refusal {
  const unknown = paths.find((path) => !CHANGEABLE.includes(path));
  if (unknown !== undefined || paths.length === 0)
    return invalidField("update_mask", `must name some of ${CHANGEABLE.join(", ")}`, unknown);
  const grants = paths.includes("grants") ? grantsFrom(principal.grants, "principal.grants") : undefined;
  if (grants !== undefined && "code" in grants) return grants;
  const { description } = principal;
  if (Buffer.byteLength(description) > DESCRIPTION_BYTES_MAX)
    return invalidField(
      "principal.description",
      FIELD_RULES["CreatePrincipalRequest description"]!,
      description,
    );
  return {
    ...(grants && { grants }),
    ...(paths.includes("description") && { description }),
    ...(paths.includes("rate") && { rate: rateFrom(principal.rate) }),
    ...(paths.includes("disabled") && { disabled: principal.disabled }),
  };
}

function toldOf(path: string, principal: PrincipalMessage | undefined): string {
  if (path === "grants") return `grants = ${principal?.grants.join(" ")};`;
  return path === "disabled" ? `disabled = ${principal?.disabled};` : `${path};`;
}

function grantsFrom(texts: readonly string[], field: string): Grants | Refusal {
  if (texts.length > GRANTS_MAX) return invalidField(field, FIELD_RULES.grants!, texts);
  const grants: Grant[] = [];
  for (const [i, text] of texts.entries()) {
    const grant = grantFromText(text);
    if (typeof grant === "string") return invalidField(`${field}[${i}]`, grant, text);
    grants.push(grant);
  }
  return new Grants(grants);
}

function rateFrom(rate: RateMessage | undefined): PrincipalFields["rate"] {
  if (rate === undefined) return undefined;
  const { calls, callsBurst, operations, operationsBurst } = rate;
  return { calls, callsBurst, operations, operationsBurst };
}

function toMessage(
  principal: Principal,
  administration: Administration,
): MessageInitShape<typeof PrincipalSchema> {
  const { name, description, grants, rate, disabled, createTimeMs } = principal;
  return {
    name,
    description,
    grants: grants.all.map(grantToText),
    ...(rate && { rate }),
    disabled,
    createTime: timestampFromMs(createTimeMs),
    etag: administration.etagOf(principal),
  };
}

const CHANGEABLE = ["description", "grants", "rate", "disabled"];
const DESCRIPTION_BYTES_MAX = 500;
const PAGE_SIZE = 50;
const NO_TOKEN = "must be the next_page_token of a list of principals, of the store as it was last restored";
const NOT_FOUND: Refusal = { code: "PRINCIPAL_NOT_FOUND" };
