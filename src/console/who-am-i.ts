import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { AdminService } from "../../gen/browser/tally/v1/admin_service_pb.ts";
import { Grants, grantFromText } from "../core/grants.ts";
import type { Who } from "./key-holder.ts";

/** How it is asked. */
interface Call {
  readonly headers: Record<string, string>;
  readonly signal?: AbortSignal;
  readonly timeoutMs: number;
}

/**
 * Ask the server who calls.
 *
 * @returns  undefined: the server does not ask who calls, or is older than that
 * @throws ConnectError  for a credential that it does not take, or without an answer
 */
export async function whoAmI(transport: Transport, call: Call): Promise<Who | undefined> {
  try {
    const { name, grants: texts, expireTime } = await createClient(AdminService, transport).whoAmI({}, call);
    return { name, texts, grants: grantsOf(texts), until: dateOf(expireTime) };
  } catch (error) {
    if (ConnectError.from(error).code === Code.Unimplemented) return undefined;
    throw error;
  }
}

/**
 * Grants as the server wrote them.
 *
 * @returns  undefined when one of them cannot be read here, for the server is newer: then it alone can say
 */
export function grantsOf(texts: readonly string[]): Grants | undefined {
  const grants = texts.map(grantFromText);
  return grants.every((grant) => typeof grant !== "string") ? new Grants(grants) : undefined;
}

function dateOf(time: Timestamp | undefined): Date | undefined {
  return time === undefined ? undefined : timestampDate(time);
}
