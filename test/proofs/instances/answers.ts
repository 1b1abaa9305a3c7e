import { readFileSync } from "node:fs";
import type { Known } from "../crash/history.ts";

/** What callers were told, counter by counter. */
export interface Answers {
  readonly requests: number;
  /** Requests whose answer repeats one that never came. */
  readonly replays: number;
  /** Where each counter must stand: as many increments by one as were answered. */
  readonly known: ReadonlyMap<string, Known>;
  readonly faults: readonly string[];
}

/**
 * Check files of answers, a line each (see increment.py): each request has one answer, and the answers to the requests
 * of a counter are its values 1 to n at its revisions 1 to n, each once.
 */
export function checkAnswers(paths: readonly string[]): Answers {
  const faults: string[] = [];
  const ids = new Set<string>();
  const counters = new Map<string, { uid: string; idByRevision: (string | undefined)[]; answers: number }>();
  let replays = 0;
  for (const line of paths.flatMap((path) => readFileSync(path, "utf8").trimEnd().split("\n"))) {
    const [id, name, etag, value, replayed] = line.split(" ") as [string, string, string, string, string];
    if (ids.has(id)) faults.push(`${id} stands in the answers twice`);
    ids.add(id);
    if (replayed === "replayed") replays++;
    const dot = etag.lastIndexOf("."); // Opaque to callers; this test knows that it is uid and revision.
    const [uid, revision] = [etag.slice(0, dot), Number(etag.slice(dot + 1))];
    if (!counters.has(name)) counters.set(name, { uid, idByRevision: [], answers: 0 });
    const counter = counters.get(name)!;
    counter.answers++;
    if (counter.uid !== uid) faults.push(`${name} is ${uid} to ${id}, and was ${counter.uid}`);
    if (value !== `${revision}`) faults.push(`${id} was told ${name} is ${value} at revision ${revision}`);
    const other = counter.idByRevision[revision];
    if (other !== undefined) faults.push(`${id} and ${other} were both told revision ${revision} of ${name}`);
    counter.idByRevision[revision] = id;
  }

  const known = new Map<string, Known>();
  for (const [name, { uid, idByRevision, answers }] of counters) {
    for (let revision = 1; revision < idByRevision.length; revision++) {
      if (idByRevision[revision] === undefined) faults.push(`revision ${revision} of ${name} is nobody's`);
    }
    known.set(name, { uid, revision: answers, value: BigInt(answers) });
  }
  return { requests: ids.size, replays, known, faults };
}
