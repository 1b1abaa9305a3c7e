/** Counters as rows, and arrays as PostgreSQL writes them. */
import { CORRUPT, type Counter, type Details, type Fixed, type FullCounter } from "../../core/counter.ts";
import { isName } from "../../core/name.ts";
import type { Row } from "./session.ts";

/** What counting reads. */
export const COUNTER_COLUMNS =
  "id, name, uid, value, initial, min_value, max_value, clamp, monotonic, revision, settings_revision, update_ms";

/** And what else is kept about a counter. */
export const DETAIL_COLUMNS = "labels, description, create_ms";

/** Rows have no checksum here; but what Tally could not have written, somebody else has. */
export function toCounter(row: Row): Counter | typeof CORRUPT {
  const { name, revision, settings_revision, update_ms } = row as { name: string } & Record<string, bigint>;
  const whole = [revision, settings_revision].every((each) => each! >= 1n && each! < 2n ** 53n);
  const sound = whole && isTime(update_ms) && isName(name);
  return sound ? asCounter(row) : CORRUPT;
}

/** Milliseconds that a Date can have. */
function isTime(ms: bigint | undefined): boolean {
  return ms !== undefined && ms >= 0n && ms <= 8_640_000_000_000_000n;
}

function asCounter(row: Row): Counter {
  return {
    uid: row.uid as string,
    value: row.value as bigint,
    initial: row.initial as bigint,
    min: (row.min_value as bigint | null) ?? undefined,
    max: (row.max_value as bigint | null) ?? undefined,
    clamp: row.clamp as boolean,
    monotonic: row.monotonic as boolean,
    revision: Number(row.revision),
    settingsRevision: Number(row.settings_revision),
    updateTime: Number(row.update_ms),
  };
}

/** What else is kept about a sound counter. */
export function toFixed(counter: Counter, row: Row): Fixed | typeof CORRUPT {
  const { value, revision, updateTime, ...fixed } = counter;
  const { labels, description, create_ms } = row as {
    labels: string;
    description: string;
    create_ms: bigint;
  };
  const details = [parsed(labels, {}), parsed(description, "")] as const;
  if (!isLabels(details[0]) || typeof details[1] !== "string" || !isTime(create_ms)) return CORRUPT;
  return { ...fixed, labels: details[0], description: details[1], createTime: Number(create_ms) };
}

/** From a row with both. */
export function toFullCounter(row: Row): FullCounter | typeof CORRUPT {
  const counter = toCounter(row);
  const fixed = counter === CORRUPT ? counter : toFixed(counter, row);
  if (counter === CORRUPT || fixed === CORRUPT) return CORRUPT;
  return { name: row.name as string, ...counter, ...fixed };
}

function parsed(json: string | null, none: unknown): unknown {
  try {
    return json === null ? none : JSON.parse(json);
  } catch {
    return undefined;
  }
}

function isLabels(value: unknown): value is Details["labels"] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((each) => typeof each === "string");
}

/** The columns labels and description of a counter. */
export function detailColumns({ labels, description }: Details): [string | null, string | null] {
  return [
    Object.keys(labels).length === 0 ? null : JSON.stringify(labels),
    description === "" ? null : JSON.stringify(description),
  ];
}

/** A label as counter_labels has it. */
export function labelKey(key: string, value: string): string {
  return JSON.stringify([key, value]);
}

/** Numbers or truths as an array's text: a tenth of the time that the driver takes, which has to quote texts. */
export function arrayOf(values: readonly (bigint | number | boolean | undefined)[]): string {
  let text = "{";
  for (let i = 0; i < values.length; i++) {
    if (i > 0) text += ",";
    text += values[i] ?? "NULL";
  }
  return `${text}}`;
}
