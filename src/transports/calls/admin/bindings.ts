import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  AdminService,
  type BindingSchema,
  type CreateBindingRequest,
  type DeleteBindingRequest,
} from "../../../../gen/tally/v1/admin_service_pb.ts";
import type { Refusal } from "../../../core/errors.ts";
import type { Administration } from "../../../guard/administration.ts";
import type { Binding, Subject } from "../../../guard/entries.ts";
import type { UnaryMethod } from "../call.ts";
import { type AdminCalls, adminCall } from "./admin-call.ts";

/** The calls about bindings. */
export function bindingCalls(calls: AdminCalls): UnaryMethod[] {
  const { method } = AdminService;
  return [
    adminCall(calls, {
      method: method.createBinding,
      about: ({ principal, subject }) => `${principal}: ${subject.case} ${subject.value}`,
      async answer({ principal, subject }, administration) {
        const made = await administration.createBinding(principal, subjectIn(subject));
        return "code" in made ? made : { binding: toMessage(made, principal, administration) };
      },
    }),
    adminCall(calls, {
      method: method.listBindings,
      async answer({ principal: name }, administration) {
        const directory = await administration.read();
        const of = name === "" ? undefined : directory.principalByName(name);
        if (name !== "" && of === undefined) return NO_PRINCIPAL;
        const listed = of === undefined ? directory.bindings : directory.bindingsOf(of.id);
        return {
          bindings: listed.flatMap((binding) => {
            const principal = directory.principalById(binding.principalId)?.name;
            return principal === undefined ? [] : [toMessage(binding, principal, administration)];
          }),
        };
      },
    }),
    adminCall(calls, {
      method: method.deleteBinding,
      about: ({ subject }) => `${subject.case} ${subject.value}`,
      answer: async ({ subject }, administration) =>
        (await administration.deleteBinding(subjectIn(subject))) ?? {},
    }),
  ];
}

/** One of them is there, and that of an issuer has a colon: those are rules of the messages. */
function subjectIn({
  case: kind,
  value = "",
}: CreateBindingRequest["subject"] | DeleteBindingRequest["subject"]): Subject {
  const colon = value.indexOf(":");
  return kind === "certificate"
    ? { certificate: value }
    : { oidc: [value.slice(0, colon), value.slice(colon + 1)] };
}

function toMessage(
  binding: Binding,
  principal: string,
  administration: Administration,
): MessageInitShape<typeof BindingSchema> {
  const subject = administration.subjectOf(binding);
  return {
    principal,
    subject:
      "certificate" in subject
        ? { case: "certificate", value: subject.certificate }
        : { case: "oidc", value: subject.oidc.join(":") },
    createTime: timestampFromMs(binding.createTimeMs),
  };
}

const NO_PRINCIPAL: Refusal = { code: "PRINCIPAL_NOT_FOUND" };
