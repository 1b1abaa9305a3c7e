import {
  AdminService,
  type Verification as VerificationMessage,
} from "../../gen/browser/tally/v1/admin_service_pb.ts";
import { brokenOff } from "./broken-off.ts";
import type { Session } from "./client-command.ts";
import { figure } from "./count/summary.ts";
import { CommandError, EXIT } from "./exit.ts";
import { LiveLines } from "./live-lines.ts";
import { drawn } from "./long-work.ts";
import { dieOf, onStopSignals } from "./signals.ts";
import { findingFrom, verificationView } from "./verification.ts";
import { visible } from "./visible.ts";

/** What of the command line says how it is asked. */
export interface FromServer {
  readonly timeout: number;
  readonly quiet?: boolean;
}

/** Have a server look at its store, and print what it found. @throws CommandError  when not all was looked at */
export async function verifyFromServer({ client, output }: Session, { timeout, quiet = false }: FromServer) {
  const live = process.stderr.isTTY && !quiet ? new LiveLines(process.stderr) : undefined;
  const draw = drawn(live);
  const startedAt = performance.now();
  const leave = (signal: NodeJS.Signals) => {
    live?.clear();
    dieOf(signal);
  };
  onStopSignals({ first: leave, again: dieOf });
  const findings: ReturnType<typeof findingFrom>[] = [];
  let verification: VerificationMessage | undefined;
  try {
    for await (const told of client.stream(AdminService.method.verify, {}, timeout)) {
      findings.push(...told.findings.map(findingFrom));
      verification = told.verification;
      const { part = "", rows = 0n } = told.progress ?? {};
      if (part !== "") draw(() => visible(`verifying ${part}: ${figure(Number(rows))}`));
    }
  } catch (error) {
    throw brokenOff(
      error,
      (server, why) => `Not everything was looked at by ${server} (${why}). Run it again.`,
    );
  } finally {
    live?.clear();
  }
  if (verification === undefined)
    throw new CommandError(
      EXIT.FAILURE,
      `The server at ${client.server} did not look at everything. Run it again.`,
    );
  const { store, sum, historyRows } = verification;
  const found = {
    ...{ store, served: true, sum: BigInt(sum) },
    counters: Number(verification.counters),
    commits: Number(verification.commits),
    requestIds: Number(verification.requestIds),
    historyRows: historyRows === undefined ? undefined : Number(historyRows),
    findings,
    more: Number(verification.findings) - findings.length,
  };
  await output.record(verificationView(found, undefined, performance.now() - startedAt));
  return found;
}
