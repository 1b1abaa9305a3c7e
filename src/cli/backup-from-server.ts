import { lstatSync, renameSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { AdminService } from "../../gen/browser/tally/v1/admin_service_pb.ts";
import { brokenOff } from "./broken-off.ts";
import type { Session } from "./client-command.ts";
import { CommandError, EXIT } from "./exit.ts";
import { LiveLines } from "./live-lines.ts";
import { drawn, mib } from "./long-work.ts";
import type { View } from "./output.ts";
import { writeToStdout } from "./pieces.ts";
import { dieOf, onStopSignals } from "./signals.ts";

/** What of the command line says how it is taken. */
export interface FromServer {
  readonly to: string;
  readonly timeout: number;
  readonly quiet?: boolean;
}

/** Have a server make a backup, and take it: to a file, which has its name once all of it is on disk, or to stdout. */
export async function backupFromServer(
  { client, output }: Session,
  { to, timeout, quiet = false }: FromServer,
): Promise<void> {
  const live = process.stderr.isTTY && !quiet ? new LiveLines(process.stderr) : undefined;
  const draw = drawn(live);
  const startedAt = performance.now();
  const into = to === "-" ? undefined : await Download.begin(to);
  onStopSignals({ first: (signal) => void leave(signal, into, live), again: dieOf });
  let [bytes, of] = [0, 0];
  try {
    for await (const { piece, fileBytes } of client.stream(AdminService.method.backup, {}, timeout)) {
      if (piece.length > 0) of = Number(fileBytes);
      await (into === undefined ? writeToStdout(Buffer.from(piece)) : into.write(piece));
      bytes += piece.length;
      draw(() => (of === 0 ? "made by the server" : `taken: ${mib(bytes)} of ${mib(of)}`));
    }
    if (bytes !== of || bytes === 0)
      throw new CommandError(
        EXIT.FAILURE,
        `The server gave ${bytes} bytes of a backup of ${of}; nothing is left of it.`,
      );
    await into?.end();
  } catch (error) {
    await into?.abandon();
    throw brokenOff(
      error,
      (server, why) => `No whole backup came from ${server} (${why}); nothing is left of it. Run it again.`,
    );
  } finally {
    live?.clear();
  }
  if (into === undefined) output.note(`Took a backup from ${client.server}, ${mib(bytes)}.`);
  else await output.record(viewOf(client.server, to, bytes, performance.now() - startedAt));
}

async function leave(
  signal: NodeJS.Signals,
  into: Download | undefined,
  live: LiveLines | undefined,
): Promise<void> {
  live?.clear();
  await into?.abandon();
  dieOf(signal);
}

/** A file that is not whole yet. */
class Download {
  readonly #to: string;
  readonly #part: string;
  readonly #file: FileHandle;

  private constructor(to: string, part: string, file: FileHandle) {
    this.#to = to;
    this.#part = part;
    this.#file = file;
  }

  static async begin(to: string): Promise<Download> {
    assertNothingAt(to);
    const part = `${to}.download`;
    try {
      return new Download(to, part, await open(part, "wx", 0o600));
    } catch (error) {
      const { code = "" } = error as { code?: string };
      const why =
        code === "EEXIST"
          ? `${part} is there already: another one is taken to it, or one was cut off; then remove it.`
          : `${part} cannot be made (${code}); give another name.`;
      throw new CommandError(EXIT.STORE_UNREACHABLE, why);
    }
  }

  async write(piece: Uint8Array): Promise<void> {
    try {
      await this.#file.writeFile(piece); // All of it, from where the one before ended.
    } catch (error) {
      throw new CommandError(
        EXIT.STORE_UNREACHABLE,
        `${this.#part} cannot be written (${codeOf(error)}); nothing is left of it.`,
      );
    }
  }

  async end(): Promise<void> {
    try {
      await this.#file.sync();
      await this.#file.close();
      assertNothingAt(this.#to);
      renameSync(this.#part, this.#to);
      const folder = await open(dirname(resolve(this.#to)), "r");
      await folder.sync();
      await folder.close();
    } catch (error) {
      if (error instanceof CommandError) throw error;
      throw new CommandError(EXIT.STORE_UNREACHABLE, `${this.#to} could not be made (${codeOf(error)}).`);
    }
  }

  async abandon(): Promise<void> {
    await this.#file.close().catch(() => {});
    await rm(this.#part, { force: true });
  }
}

function codeOf(error: unknown): string {
  return `${(error as { code?: unknown }).code ?? error}`;
}

function assertNothingAt(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
  throw new CommandError(
    EXIT.STORE_UNREACHABLE,
    `${path} is there already, and nothing is written over: give another name, or move it away.`,
  );
}

function viewOf(server: string, file: string, bytes: number, ms: number): View {
  return {
    json: { server, file, bytes, seconds: Math.round(ms) / 1000 },
    value: file,
    cells: {
      FROM: `the server at ${server}`,
      FILE: `${file}, ${mib(bytes)}`,
      DONE: `in ${(ms / 1000).toFixed(1)} s`,
    },
  };
}
