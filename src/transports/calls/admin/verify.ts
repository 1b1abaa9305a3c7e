import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { AdminService, VerifyResponseSchema } from "../../../../gen/tally/v1/admin_service_pb.ts";
import type { Refusal } from "../../../core/errors.ts";
import type { Finding, Verification, VerifyProgress } from "../../../service/store-findings.ts";
import type { Verifications } from "../../../service/verifications.ts";
import type { Log } from "../../../telemetry.ts";
import type { Authorise } from "../authorise.ts";
import type { Refused } from "../call.ts";
import type { StreamCall } from "../stream.ts";
import { callerIn, failedAs, untilSettled } from "./until-settled.ts";
import { whyNotBegun } from "./why-not-begun.ts";

/** What the call needs. */
export interface VerifyCalls {
  /** Undefined where the store has nothing that Tally can look at. */
  readonly verifications: Pick<Verifications, "run"> | undefined;
  /** Whether callers have to say who they are. */
  readonly authenticates: boolean;
  readonly authorise: Authorise;
  readonly log: Log;
  readonly requestBytesMax: number;
}

/** Verify: the store is looked at, how far that is is told, and what was found. Who asked, and what came of it, is in the log. */
export function verify({
  verifications,
  authenticates,
  authorise,
  log,
  requestBytesMax,
}: VerifyCalls): StreamCall {
  const method = AdminService.method.verify;
  return {
    method,
    requestBytesMax,
    authorise,
    async *open(requests, context): AsyncGenerator<Uint8Array, Refused | undefined> {
      const refused = await whyNotBegun(method, { requests, context, requestBytesMax, authenticates });
      if (refused !== undefined) return refused;
      if (verifications === undefined) return UNSUPPORTED;
      let outcome = "CALL_CANCELLED";
      let findings: number | undefined;
      try {
        let progress: VerifyProgress = { part: "", rows: 0 };
        const told = () => encode({ progress: { part: progress.part, rows: BigInt(progress.rows) } });
        const looking = verifications.run(context.signal, (reached) => {
          progress = reached;
        });
        const settled = looking.then((found) => found ?? RUNNING, failedAs("VERIFY_FAILED"));
        settled.catch(() => {}); // A defect is met where it is waited for, if it still is.
        yield told();
        const found = yield* untilSettled(settled, context.signal, TELL_EVERY_MS, told);
        if ("code" in found) {
          outcome = found.code;
          return found;
        }
        findings = found.findings.length + found.more;
        yield* foundIn(found);
        outcome = "OK";
        return undefined;
      } finally {
        log("store.verified", { ...callerIn(context), findings, outcome });
      }
    },
  };
}

function* foundIn(found: Verification): Generator<Uint8Array, void> {
  const { store, counters, sum, commits, requestIds, historyRows, findings, more } = found;
  for (let at = 0; at < findings.length; at += FINDINGS_A_MESSAGE)
    yield encode({ findings: findings.slice(at, at + FINDINGS_A_MESSAGE).map(toMessage) });
  yield encode({
    verification: {
      ...{ store, sum: `${sum}` },
      ...{ counters: BigInt(counters), commits: BigInt(commits), requestIds: BigInt(requestIds) },
      ...(historyRows !== undefined && { historyRows: BigInt(historyRows) }),
      findings: BigInt(findings.length + more),
    },
  });
}

function toMessage({ mend, ...finding }: Finding) {
  return { ...finding, mend: mend.toUpperCase().replace(" ", "_") };
}

function encode(response: MessageInitShape<typeof VerifyResponseSchema>): Uint8Array {
  return toBinary(VerifyResponseSchema, create(VerifyResponseSchema, response));
}

/** Names have 200 bytes at most, and what is wrong some hundred. */
const FINDINGS_A_MESSAGE = 100;
const TELL_EVERY_MS = 1_000;
const RUNNING: Refusal = {
  code: "VERIFY_FAILED",
  expected: "another verification runs; ask again once it has ended",
};
const UNSUPPORTED: Refusal = {
  code: "VERIFY_UNSUPPORTED",
  expected: "pg_amcheck looks at a database of PostgreSQL's, and memory: keeps nothing",
};
