import { toJson } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Command } from "commander";
import {
  AdminService,
  type GetServerInfoResponse,
  GetServerInfoResponseSchema,
  type LastMinute,
} from "../../gen/browser/tally/v1/admin_service_pb.ts";
import { onServer } from "./client-command.ts";
import { mib } from "./long-work.ts";
import type { View } from "./output.ts";
import { timeOf } from "./time-settings.ts";
import { EVERY_FIELD } from "./views.ts";

/** `tally info`: what a server is, how it keeps what it answers, and what is not as it should be. */
export function define(command: Command): void {
  command.addHelpText("before", EXAMPLES);
  onServer(command, { format: "table" }, async ({ client, output }) => {
    await output.record(view(await client.call(AdminService.method.getServerInfo, {})));
  });
}

function view(answer: GetServerInfoResponse): View {
  const { version, nodeVersion, startTime, store, promise, durability, auth, limits, warnings } = answer;
  const { lastBackup, instance, counters, storeBytes, roomBytes, lastMinute, threads } = answer;
  return {
    json: toJson(GetServerInfoResponseSchema, answer, EVERY_FIELD),
    value: version,
    cells: {
      VERSION: version,
      "NODE.JS": nodeVersion,
      SINCE: timeOf(startTime),
      INSTANCE: instance,
      STORE: store,
      SIZE: [
        ...(storeBytes === undefined ? [] : [mib(Number(storeBytes))]),
        ...(roomBytes === undefined ? [] : [`${mib(Number(roomBytes))} left on its disk`]),
      ].join(", "),
      COUNTERS: counters === undefined ? "unknown" : counterText(counters),
      KEEPS: `${durability}: ${promise}`,
      AUTH: auth,
      "LAST MINUTE": lastMinute === undefined ? "" : ratesText(lastMinute),
      THREADS: threads
        .map(({ name, busyPercent, heapBytes }) => `${name} ${busyPercent} %, ${mib(Number(heapBytes))}`)
        .join("; "),
      BACKUP: backupIn(lastBackup),
      LIMITS: Object.entries(limits)
        .map(([name, value]) => `${name} ${value || "none"}`)
        .sort()
        .join(", "),
      WARNINGS: warnings.join(" ") || "none",
    },
  };
}

/** Up to so many are counted one by one. */
const COUNTED_MAX = 10_000n;

function counterText(counters: bigint): string {
  return counters > COUNTED_MAX ? `about ${counters}` : `${counters}`;
}

/** A second, of which there was at least one. */
function ratesText({ seconds, calls, refusedCalls, operations, commits }: LastMinute): string {
  const rate = (count: bigint) => (Number(count) / Math.max(1, seconds)).toFixed(1);
  return (
    `${rate(calls)} calls a second, ${rate(refusedCalls)} of them refused; ` +
    `${rate(operations)} operations in ${rate(commits)} commits`
  );
}

/** The newest one that the server made by itself. */
function backupIn(last: GetServerInfoResponse["lastBackup"]): string {
  if (last === undefined) return "none by itself";
  const took = last.duration === undefined ? "" : `, in ${durationMs(last.duration) / 1_000} s`;
  return `${timeOf(last.time)}, ${mib(Number(last.bytes))}${took}: ${last.file}`;
}

const EXAMPLES = `Examples:
  tally info                    what the server is, and what is wrong with it
  tally info -o json            the same for a script
  tally info -o value           its version
`;
