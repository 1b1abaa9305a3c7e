import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Need } from "../../support/needs.ts";

/**
 * A gRPC client that somebody else wrote, driven from outside. It learns the API from what the server says of itself:
 * by reflection, or from its descriptors.
 */
export interface ForeignClient {
  readonly name: string;
  readonly needs: readonly Need[];
  /**
   * Get ready to call a server. May have to compile first, which takes a minute or two where it never was.
   *
   * @param folder  an empty one for what it generates
   */
  open(address: string, folder: string): Promise<OpenClient>;
}

/** One that can be had over TLS too. */
export interface TlsClient extends ForeignClient {
  /** @param caFile  whom to trust, in PEM; undefined: in plaintext */
  open(address: string, folder?: string, caFile?: string): Promise<OpenClient>;
}

export interface OpenClient {
  /** Call a method, in JSON as Protobuf defines it: an int64 is a string. */
  call(method: string, request: object): Promise<Answer>;
  close(): Promise<void>;
}

/** The answer, or the error with Tally's ErrorInfo. */
export type Answer = { readonly ok: unknown } | { readonly error: Problem };

export interface Problem {
  /** The name of the gRPC status: "OUT_OF_RANGE". */
  readonly status: string;
  readonly reason: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

export const SERVICE = "tally.v1.CounterService";

/** For what compiles first: grpc-go takes two minutes of two busy cores where it never was. */
export const COMPILE_MS = 280_000;

/** What a program printed and how it ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run a program to its end. @throws  only if it cannot be started or hangs */
export async function run(
  command: string,
  args: readonly string[],
  { input = "", cwd, timeoutMs = 30_000 }: { input?: string; cwd?: string; timeoutMs?: number } = {},
): Promise<Ended> {
  const running = promisify(execFile)(command, args, { cwd, timeout: timeoutMs, maxBuffer: 64 * 2 ** 20 });
  running.child.stdin?.end(input);
  try {
    return { code: 0, ...(await running) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout: string; stderr: string };
    if (typeof code !== "number") throw error;
    return { code, stdout, stderr };
  }
}
