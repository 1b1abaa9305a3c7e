/** Counters as rows, and arrays as PostgreSQL writes them. */
import type { Counter, Details, Fixed, FullCounter } from "../../core/counter.ts";
import type { Row } from "./session.ts";

/** What counting reads. */
export const COUNTER_COLUMNS =
  "id, name, uid, value, initial, min_value, max_value, clamp, monotonic, revision, settings_revision, update_ms";

/** And what else is kept about a counter. */
export const DETAIL_COLUMNS = "labels, description, create_ms";

export function toCounter(row: Row): Counter {
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

export function toFixed(counter: Counter, row: Row): Fixed {
  const { value, revision, updateTime, ...fixed } = counter;
  const { labels, description, create_ms } = row as {
    labels: string;
    description: string;
    create_ms: bigint;
  };
  return {
    ...fixed,
    labels: labels === null ? {} : (JSON.parse(labels) as Details["labels"]),
    description: description === null ? "" : (JSON.parse(description) as string),
    createTime: Number(create_ms),
  };
}

/** From a row with both. */
export function toFullCounter(row: Row): FullCounter {
  const counter = toCounter(row);
  return { name: row.name as string, ...counter, ...toFixed(counter, row) };
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
