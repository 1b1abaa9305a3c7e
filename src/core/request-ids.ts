/**
 * How long request ids are remembered: the plan by which stores keep them in generations.
 *
 * Ids live in the generation that was open when they were saved; a generation is forgotten as a whole. All times
 * are running time of the service, so that no jump of the clock forgets anything early, and a stop only makes ids
 * live longer.
 */

/** Request ids that were saved in one stretch of running time. */
export interface Generation {
  readonly id: number;
  /** When it was closed, in milliseconds of running time; undefined for the one that still takes ids. */
  readonly closedMs: number | undefined;
  readonly openedMs: number;
  /** About how many bytes its records take. */
  readonly bytes: number;
}

/** What is promised about request ids. */
export interface RequestIdRetention {
  /** How long an id is remembered while there is room, in milliseconds. */
  readonly requestIdsKeepMs: number;
  /** How long it is remembered in any case, in milliseconds; at most requestIdsKeepMs. */
  readonly requestIdsFloorMs: number;
  /** The room for their records, in bytes. */
  readonly requestIdsBytesMax: number;
}

/** What is to become of the generations of request ids now. */
export interface GenerationPlan {
  /** Close the open generation and open the next. */
  readonly rotate: boolean;
  /** Forget these: each of their ids is at least as old as was promised. */
  readonly forget: readonly Generation[];
  /** Whether some of those go before their time, because the room is used up. */
  readonly early: boolean;
  /** No room, and nothing that may be forgotten: refuse new ids for about this long. */
  readonly fullForMs: number | undefined;
}

/** The share of the time and of the room that one generation spans: small enough to keep to both by an eighth. */
const SPANS = 8;

/** @param generations  oldest first; the last is the open one */
export function planGenerations(
  generations: readonly Generation[],
  runMs: number,
  retention: RequestIdRetention,
): GenerationPlan {
  const { requestIdsKeepMs: keepMs, requestIdsFloorMs: floorMs, requestIdsBytesMax: bytesMax } = retention;
  const open = generations.at(-1)!;
  const rotate =
    open.bytes > 0 && (runMs - open.openedMs >= keepMs / SPANS || open.bytes >= bytesMax / SPANS);
  let bytes = generations.reduce((sum, generation) => sum + generation.bytes, 0);
  const forget: Generation[] = [];
  let early = false;
  let fullForMs: number | undefined;
  for (const generation of generations) {
    if (generation.closedMs === undefined) break;
    const age = runMs - generation.closedMs;
    if (age < keepMs) {
      if (bytes < bytesMax) break;
      if (age < floorMs) {
        fullForMs = floorMs - age;
        break;
      }
      early = true;
    }
    forget.push(generation);
    bytes -= generation.bytes;
  }
  if (bytes >= bytesMax) fullForMs ??= floorMs;
  else fullForMs = undefined;
  return { rotate, forget, early, fullForMs };
}

/** How much is remembered under request ids, and since when, in milliseconds of running time. */
export function keptRequestIds(
  generations: readonly Generation[],
  runMs: number,
  retention: RequestIdRetention,
): {
  readonly bytes: number;
  readonly roomBytes: number;
  readonly oldestMs: number;
  readonly early: boolean;
} {
  const oldest = generations.find(({ bytes }) => bytes > 0);
  return {
    bytes: generations.reduce((sum, generation) => sum + generation.bytes, 0),
    roomBytes: retention.requestIdsBytesMax,
    oldestMs: oldest === undefined ? 0 : runMs - oldest.openedMs,
    early: planGenerations(generations, runMs, retention).early,
  };
}
