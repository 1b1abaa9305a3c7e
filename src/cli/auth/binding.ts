import { toJson } from "@bufbuild/protobuf";
import { type Command, Option } from "commander";
import { type Binding, BindingSchema } from "../../../gen/browser/tally/v1/admin_service_pb.ts";
import { CommandError, EXIT } from "../exit.ts";
import type { View } from "../output.ts";
import { timeOf } from "../time-settings.ts";
import { EVERY_FIELD } from "../views.ts";

/** The name from elsewhere, as one of two options. */
export interface SubjectOptions {
  readonly certificate?: string;
  readonly oidc?: string;
}

/** --certificate and --oidc. */
export function addSubjectOptions(command: Command): void {
  command
    .addOption(
      new Option(
        "--certificate <name>",
        "an alternative name of the client certificate: a URI if it has ://, else a DNS name",
      ),
    )
    .addOption(
      new Option("--oidc <alias:subject>", "the issuer's alias in the configuration, and the token's sub"),
    );
}

/** The one that was given. @throws CommandError  unless it is one */
export function subjectOf({ certificate, oidc }: SubjectOptions) {
  if ((certificate === undefined) === (oidc === undefined))
    throw new CommandError(EXIT.USAGE, "Give --certificate NAME or --oidc ALIAS:SUBJECT; one of them.");
  return certificate !== undefined
    ? ({ case: "certificate", value: certificate } as const)
    : ({ case: "oidc", value: oidc! } as const);
}

/** A binding, for people and scripts. */
export function bindingView(binding: Binding): View {
  const { principal, subject, createTime } = binding;
  return {
    json: toJson(BindingSchema, binding, EVERY_FIELD),
    value: subject.value ?? "",
    name: subject.value ?? "",
    cells: {
      KIND: subject.case ?? "",
      NAME: subject.value ?? "",
      PRINCIPAL: principal,
      CREATED: timeOf(createTime),
    },
  };
}
