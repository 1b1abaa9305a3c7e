import type { Command } from "commander";
import * as bind from "./auth/bind.ts";
import * as bindings from "./auth/bindings.ts";
import * as can from "./auth/can.ts";
import * as denied from "./auth/denied.ts";
import * as key from "./auth/key.ts";
import * as principal from "./auth/principal.ts";
import * as unbind from "./auth/unbind.ts";
import * as whoami from "./auth/whoami.ts";
import * as init from "./auth-init.ts";
import { notes } from "./help.ts";
import { sub } from "./sub.ts";

/** `tally auth`: who may call, and do what. */
export function define(command: Command): void {
  command.configureHelp({ ...command.configureHelp(), subcommandTerm: (each) => each.name() });
  command.usage("COMMAND ...").addHelpText("before", EXAMPLES).addHelpText("after", notes(ABOUT));
  init.define(sub(command, "init", "make the first administrator, in the store itself"));
  whoami.define(sub(command, "whoami", "who you are to a server, and what you may do"));
  principal.define(sub(command, "principal", "who may call, and what they may do"));
  key.define(sub(command, "key", "the API keys of principals"));
  bind.define(sub(command, "bind", "say that a certificate or somebody of an OIDC issuer is a principal"));
  bindings.define(sub(command, "bindings", "list which certificates and people are which principals"));
  unbind.define(sub(command, "unbind", "take such a binding away"));
  can.define(sub(command, "can", "whether a principal may do something"));
  denied.define(sub(command, "denied", "calls that were refused for who called, the latest first"));
}

const EXAMPLES = `Examples:
  tally auth init --store sqlite:tally.db > admin.key   the first administrator
  tally auth whoami
  tally auth principal create shop --grant write@shop.
  tally auth key create shop > shop.key         shown once: keep it
  tally auth can shop increment shop.visits     yes, and by which grant
  tally auth denied                             who was turned away, and why
`;

const ABOUT = `
A principal is who calls. It has grants, each permissions on all counters whose names begin with a prefix
(increment,create@shop.) or on one counter (read@=shop.total); an API key or a binding says that a caller is that
principal. The permissions are read, increment, decrement, set, create, manage, observe and admin; write is short for
increment, decrement, set and create, and all for all. All but whoami need the permission admin. What is changed here holds
within five seconds on every instance.`;
