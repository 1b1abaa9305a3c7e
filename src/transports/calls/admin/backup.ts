import { create, toBinary } from "@bufbuild/protobuf";
import { AdminService, BackupResponseSchema } from "../../../../gen/tally/v1/admin_service_pb.ts";
import type { Refusal } from "../../../core/errors.ts";
import type { Backups, TakenBackup } from "../../../service/backups.ts";
import type { Log } from "../../../telemetry.ts";
import type { Authorise } from "../authorise.ts";
import type { Refused } from "../call.ts";
import type { StreamCall } from "../stream.ts";
import { callerIn, failedAs, untilSettled } from "./until-settled.ts";
import { whyNotBegun } from "./why-not-begun.ts";

/** What the call needs. */
export interface BackupCalls {
  /** Undefined where the store has no backups of Tally's. */
  readonly backups: Pick<Backups, "take"> | undefined;
  /** Whether callers have to say who they are: else nobody gets all there is over the network. */
  readonly authenticates: boolean;
  readonly authorise: Authorise;
  readonly log: Log;
  readonly requestBytesMax: number;
}

/** Backup: one is made, and then its file given out. What it was asked by whom is in the log. */
export function backup({ backups, authenticates, authorise, log, requestBytesMax }: BackupCalls): StreamCall {
  const method = AdminService.method.backup;
  return {
    method,
    requestBytesMax,
    authorise,
    async *open(requests, context): AsyncGenerator<Uint8Array, Refused | undefined> {
      const refused = await whyNotBegun(method, { requests, context, requestBytesMax, authenticates });
      if (refused !== undefined) return refused;
      if (backups === undefined) return UNSUPPORTED;
      let outcome = "CALL_CANCELLED";
      let taken: TakenBackup | undefined;
      try {
        yield NOTHING_YET;
        const making = madeOf(backups.take(context.signal));
        const made = yield* untilSettled(making, context.signal, TELL_EVERY_MS, () => NOTHING_YET, letGo);
        if ("code" in made) {
          outcome = made.code;
          return made;
        }
        taken = made;
        yield* piecesOf(made);
        outcome = "OK";
        return undefined;
      } finally {
        log("backup.taken", { ...callerIn(context), bytes: taken?.bytes, outcome });
        await taken?.file.close();
      }
    },
  };
}

/** What comes of it, also when it is no backup. */
function madeOf(making: Promise<TakenBackup | undefined>): Promise<TakenBackup | Refusal> {
  return making.then((taken) => taken ?? RUNNING, failedAs("BACKUP_FAILED"));
}

/** Nobody takes it any more, and yet it has come to be. */
function letGo(made: TakenBackup | Refusal): void {
  if (!("code" in made)) void made.file.close();
}

async function* piecesOf({ file, bytes: fileBytes }: TakenBackup): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < fileBytes; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(PIECE_BYTES), 0, PIECE_BYTES, at);
    if (bytesRead === 0) throw new TypeError(`expected a backup of ${fileBytes} bytes, got ${at}`);
    at += bytesRead;
    const piece = buffer.subarray(0, bytesRead);
    yield toBinary(
      BackupResponseSchema,
      create(BackupResponseSchema, { piece, fileBytes: BigInt(fileBytes) }),
    );
  }
}

const NOTHING_YET = toBinary(BackupResponseSchema, create(BackupResponseSchema, {}));
const PIECE_BYTES = 64 * 1024;
/** Below what proxies wait for. */
const TELL_EVERY_MS = 10_000;
const RUNNING: Refusal = {
  code: "BACKUP_FAILED",
  expected: "another one is being made; ask again once it has ended",
};
const UNSUPPORTED: Refusal = {
  code: "BACKUP_UNSUPPORTED",
  expected: "one of PostgreSQL's is by pg_basebackup or pg_dump, and memory: keeps nothing",
};
