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
   * Generate and compile what it calls with, which takes some minutes where it never was.
   *
   * @param server  whose API it learns; a plain one, with nothing in front
   * @param folder  an empty one for what it makes
   */
  prepare?(server: string, folder: string): Promise<void>;
  /**
   * Get ready to call a server.
   *
   * @param folder  what it prepared
   */
  open(address: string, folder: string): Promise<OpenClient>;
}

/** One that can be had over TLS too, and prepares nothing. */
export interface TlsClient extends ForeignClient {
  /** @param caFile  whom to trust, in PEM; undefined: in plaintext */
  open(address: string, folder?: string, caFile?: string): Promise<OpenClient>;
}

/** One that makes many calls at a time, each in the way that it is told. */
export interface ManyCallsClient extends ForeignClient {
  open(address: string, folder: string): Promise<OpenManyCallsClient>;
}

export interface OpenClient {
  /** Call a method, in JSON as Protobuf defines it: an int64 is a string. */
  call(method: string, request: object): Promise<Answer>;
  close(): Promise<void>;
}

export interface OpenManyCallsClient extends OpenClient {
  call(method: string, request: object, how?: How): Promise<Answer>;
}

/** How a call is made. */
export interface How {
  readonly metadata?: Readonly<Record<string, string>>;
  /** Its deadline. Default 10,000. */
  readonly timeoutMs?: number;
  /** When its caller gives it up, after it was begun. Default: not at all. */
  readonly cancelAfterMs?: number;
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

/** As How has it. */
export const DEFAULT_TIMEOUT_MS = 10_000;

/** For what compiles first: grpc-go takes minutes of two busy cores where it never was. */
export const COMPILE_MS = 600_000;

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
  { input = "", cwd, timeoutMs = 120_000 }: { input?: string; cwd?: string; timeoutMs?: number } = {},
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
