import { create, toBinary } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { AdminService, GetServerInfoResponseSchema } from "../../../../gen/tally/v1/admin_service_pb.ts";
import type { LastBackup } from "../../../service/backups.ts";
import type { ServerStateNow } from "../../../service/server-state.ts";
import type { StoreTraits } from "../../../service/store.ts";
import { tooLarge, type UnaryMethod } from "../call.ts";
import { permissionOf } from "../permissions.ts";
import { readRequest } from "../shape.ts";

/** What a process is, for who may observe. */
export interface ServerInfo {
  /** Of Tally; "" where it is not known. */
  readonly version: string;
  /** When the process began to start, in milliseconds since the Unix epoch. */
  readonly startTimeMs: number;
  readonly auth: "off" | "optional" | "required";
  readonly store: Pick<StoreTraits, "title" | "promise" | "durability">;
  /** By the names of settings, as they can be set. */
  readonly limits: Readonly<Record<string, string>>;
  /** The newest good backup that the server made by itself; undefined: there is none. */
  readonly lastBackup?: LastBackup | undefined;
  /** What is not as it should be now, a sentence each; beside what `state` warns of. */
  readonly warnings: readonly string[];
  /** As it is now. */
  readonly state: ServerStateNow;
}

/**
 * The one method of AdminService that is about the server itself: it is served whether or not callers say who they are.
 *
 * @param infoOf  the process as it is now
 */
export function getServerInfo(infoOf: () => Promise<ServerInfo>, requestBytesMax: number): UnaryMethod {
  const method = AdminService.method.getServerInfo;
  const needed = permissionOf(method);
  return {
    method,
    changes: false,
    requestBytesMax,
    async answer(bytes, { access }) {
      if (bytes.length > requestBytesMax) return tooLarge(bytes.length, requestBytesMax);
      const request = readRequest(method.input, bytes);
      if ("code" in request) return request;
      const denied = access?.denial(needed, { prefix: "" });
      if (denied !== undefined) return denied;
      const { startTimeMs, store, warnings, lastBackup, state, ...told } = await infoOf();
      const { title, promise, durability } = store;
      const { instance, size, lastMinute, threads } = state;
      const answer = create(GetServerInfoResponseSchema, {
        ...told,
        nodeVersion: process.version,
        startTime: timestampFromMs(startTimeMs),
        store: title,
        promise,
        durability,
        ...(lastBackup !== undefined && { lastBackup: toMessage(lastBackup) }),
        warnings: [...warnings, ...state.warnings],
        instance,
        lastMinute: {
          seconds: lastMinute.seconds,
          calls: BigInt(lastMinute.calls),
          refusedCalls: BigInt(lastMinute.refusedCalls),
          operations: BigInt(lastMinute.operations),
          commits: BigInt(lastMinute.commits),
        },
        threads: threads.map((thread) => ({ ...thread, heapBytes: BigInt(thread.heapBytes) })),
        ...(size !== undefined && {
          counters: BigInt(size.counters),
          storeBytes: asInt64(size.bytes),
          roomBytes: asInt64(size.roomBytes),
        }),
      });
      return toBinary(GetServerInfoResponseSchema, answer);
    },
  };
}

function asInt64(bytes: number | undefined): bigint | undefined {
  return bytes === undefined ? undefined : BigInt(bytes);
}

function toMessage({ file, time, bytes, seconds }: LastBackup) {
  const took = seconds === undefined ? {} : { duration: durationFromMs(seconds * 1_000) };
  return { file, time: timestampFromMs(time), bytes: BigInt(bytes), ...took };
}
