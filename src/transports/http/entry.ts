import { AdminService } from "../../../gen/tally/v1/admin_service_pb.ts";
import { Permission } from "../../core/permissions.ts";
import type { Log } from "../../telemetry.ts";
import type { Authorise } from "../calls/authorise.ts";
import { knownOnly } from "../calls/known-only.ts";
import { permitOverHttp } from "./call.ts";
import type { HttpRequest, HttpResponse } from "./engine.ts";
import { sendRefusal } from "./message.ts";

/** Lets in who may have what is no call, or answers why not. @returns  whether they are in */
export type Entry = (request: HttpRequest, response: HttpResponse) => Promise<boolean>;

/** For who has a credential, whichever it is; it is asked for as by who wants to know who they are. */
export function entryFor(authorise: Authorise, log: Log): Entry {
  const asked = { method: AdminService.method.whoAmI, authorise: knownOnly(authorise) };
  return async (request, response) => {
    const permit = await permitOverHttp(asked, request, log);
    if ("code" in permit) sendRefusal(response, permit);
    return !("code" in permit);
  };
}

/** For who may observe; it is asked for as by who asks what the server is. */
export function observerEntry(authorise: Authorise, log: Log): Entry {
  const asked = { method: AdminService.method.getServerInfo, authorise };
  return async (request, response) => {
    const permit = await permitOverHttp(asked, request, log);
    const refusal = "code" in permit ? permit : permit.access?.denial(Permission.OBSERVE, { prefix: "" });
    if (refusal !== undefined) sendRefusal(response, refusal);
    return refusal === undefined;
  };
}
