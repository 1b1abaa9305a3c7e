/** What stands before a method at every door: whether a call can be answered in time, and whether who calls still may. */
import type { Clock } from "../../core/clock.ts";
import { Admission } from "../../service/admission.ts";
import type { Writer } from "../../service/writer.ts";
import type { CallContext, Refused, UnaryCall, UnaryMethod } from "./call.ts";

/** What calls wait for: each kind by itself, so that those of one do not shut out those of another. */
const KINDS = {
  /** Of one change each. */
  changes: { loadMin: 256, loadPerSecond: 8_000, refusalLoad: 1 / 3 },
  /** Of many changes each, weighed by their bytes; 2 MiB are some 64,000 operations. */
  batches: { loadMin: 2 * 2 ** 20, loadPerSecond: 8 * 2 ** 20, refusalLoad: 0 },
  /** Of one counter each. What a refusal costs over gRPC: a third of an answer. */
  reads: { loadMin: 256, loadPerSecond: 8_000, refusalLoad: 1 / 3 },
  /** Of up to 1,000 counters each. */
  pages: { loadMin: 16, loadPerSecond: 200, refusalLoad: 0 },
  /** Through all counters. */
  scans: { loadMin: 16, loadPerSecond: 20, refusalLoad: 0 },
  /** Of history, each of which may wait for what was just committed. */
  histories: { loadMin: 64, loadPerSecond: 50, refusalLoad: 0 },
  /** About who may call: what is revoked must not wait for others' changes. */
  admin: { loadMin: 64, loadPerSecond: 200, refusalLoad: 0 },
};

/** What is measured and refused together: calls that take as long as each other. */
export type Kind = keyof typeof KINDS;
/** What admits the calls of each kind. */
export type Admissions = Readonly<Record<Kind, Admission>>;

/**
 * @param waitMaxMs   how long calls may wait for their answer
 * @param commits     who knows how long one takes with nothing before it
 * @param onOverload  told what is refused, when it comes to that
 */
export function openAdmissions(
  clock: Clock,
  waitMaxMs: number,
  commits: Pick<Writer, "quickestCommitMs">,
  onOverload: (calls: Kind) => void,
): Admissions {
  const commitMs = () => commits.quickestCommitMs;
  const open = (kind: Kind, aloneMs?: () => number) =>
    new Admission(clock, { ...KINDS[kind], waitMaxMs, aloneMs }, () => onOverload(kind));
  return {
    changes: open("changes", commitMs),
    batches: open("batches", commitMs),
    reads: open("reads"),
    pages: open("pages"),
    scans: open("scans"),
    histories: open("histories"),
    admin: open("admin"),
  };
}

/** A method whose calls are taken as long as they can be answered in time. Every door goes through it. */
export function admitted(
  unary: UnaryMethod,
  admission: Admission,
  loadOf: (request: Buffer) => number = () => 1,
): Omit<UnaryCall, "authorise"> {
  return {
    ...unary,
    refusalAhead: () => admission.refusal(),
    answer: (request, context) => admission.run(loadOf(request), () => unary.answer(request, context)),
  };
}

/** A method whose calls are asked once more, when their request is there, whether who calls may still call. */
export function unlessLapsed<Method extends UnaryMethod>(method: Method): Method {
  return {
    ...method,
    answer(request: Buffer, context: CallContext): Promise<Uint8Array | Refused> {
      const lapsed = context.lapsed?.(context.atOnce === true);
      if (lapsed === undefined) return method.answer(request, context);
      if (!(lapsed instanceof Promise)) return Promise.resolve(lapsed);
      return lapsed.then((refusal) => refusal ?? method.answer(request, context));
    },
  };
}
