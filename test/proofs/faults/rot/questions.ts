/** What a file is asked, and whether it answers as the sound one does, says that something is damaged, or lies. */
import { isDeepStrictEqual } from "node:util";
import { CORRUPT } from "../../../../src/core/batch.ts";
import type { CatalogueKind, CatalogueWrite } from "../../../../src/core/catalogue.ts";
import type { FullCounter } from "../../../../src/core/counter.ts";
import { TallyError } from "../../../../src/core/errors.ts";
import { type AsOf, present } from "../../../../src/core/present.ts";
import type { Selection } from "../../../../src/core/selection.ts";
import type { CatalogueChanges } from "../../../../src/service/store-catalogue.ts";
import { ZoneCalendar } from "../../../../src/stores/shared/calendar.ts";
import { ChangeLogReader } from "../../../../src/stores/sqlite/read/change-log-reader.ts";
import { PageReader } from "../../../../src/stores/sqlite/read/pages.ts";
import { asOfOneMoment, openReadOnly } from "../../../../src/stores/sqlite/read/reading.ts";
import { RequestIdReader } from "../../../../src/stores/sqlite/read/request-id-reader.ts";
import { Scanner } from "../../../../src/stores/sqlite/read/scans.ts";
import { CatalogueReader } from "../../../../src/stores/sqlite/rows/catalogue-rows.ts";
import { KeyUseReader } from "../../../../src/stores/sqlite/rows/key-uses.ts";
import { RowReader } from "../../../../src/stores/sqlite/rows/row-reader.ts";
import { toFullCounter } from "../../../../src/stores/sqlite/rows/rows.ts";
import type { WriteConnection } from "../../../../src/stores/sqlite/write/connection.ts";
import { type Answer, create, increment, remove, single } from "../../../support/calls.ts";
import { HandClock } from "../../../support/clock.ts";
import type { Random } from "../../crash/random.ts";
import { commit, entryOf, KEYS, type Made, momentOf, open, TIME_PASSED_MS, useOf, uuidFrom } from "./file.ts";

/** "right", "refused", or what was wrong without a word. */
export type Verdict = "right" | "refused" | { readonly silent: string };

/** Thrown where an answer differs from what the sound file says, and no damage is told of. */
class Lie extends Error {}

export type Answers = ReadonlyMap<string, unknown>;

const SELECTIONS: Readonly<Record<string, Selection>> = {
  all: { prefix: "", labels: {} },
  "a prefix": { prefix: "shop-3/", labels: {} },
  "a narrow prefix": { prefix: "shop-3/visits-8", labels: {} },
  "a label": { prefix: "", labels: { team: "t2" } },
  "a rare label": { prefix: "shop-", labels: { moved: "yes" } },
  "a single label": { prefix: "", labels: { owner: "someone-57" } },
  "a label nobody has": { prefix: "", labels: { team: "t9" } },
  "two labels": { prefix: "shop-", labels: { team: "t1", zone: "z2" } },
};

/** What the sound file answers to whatever only reads. */
export function expectedOf(path: string, made: Made): Answers {
  const answers = new Map<string, unknown>();
  reading(path, made, (name, _, read) => answers.set(name, read()));
  return answers;
}

/** Ask a file everything; by question, what came of it. */
export function judge(path: string, made: Made, expected: Answers, random: Random): Map<string, Verdict> {
  const verdicts = new Map<string, Verdict>();
  const put = (name: string, question: () => "right" | "refused") => {
    try {
      verdicts.set(name, question());
    } catch (error) {
      verdicts.set(name, verdictOn(error));
    }
  };
  const clock = new HandClock(made.wallMs);
  let connection: WriteConnection | undefined;
  put("start", () => {
    connection = open(path, clock);
    return "right";
  });
  if (connection === undefined) return verdicts;
  const serving = connection;
  try {
    put("reading", () => {
      reading(path, made, (name, compare, read) => put(name, () => compare(expected.get(name), read())));
      return "right";
    });
    put("state", () => same(stateOf(serving, clock), expected.get("state")));
    writing(serving, clock, made, expected, random, put);
  } finally {
    try {
      serving.close(momentOf(clock));
    } catch {
      // A damaged file may not close in order.
    }
  }
  put("opening again", () => {
    open(path, clock).close(momentOf(clock));
    return "right";
  });
  return verdicts;
}

export function stateOf(connection: WriteConnection, clock: HandClock): unknown {
  const { runMs, generations } = connection.copying.exportHead(momentOf(clock), "unused");
  return { runMs, generations };
}

type Compare = (expected: unknown, got: unknown) => "right" | "refused";

/** Everything that only reads. */
function reading(
  path: string,
  { names, timed, wallMs }: Made,
  ask: (name: string, compare: Compare, read: () => unknown) => void,
): void {
  const db = openReadOnly(path, 16_384);
  try {
    const rows = new RowReader(db);
    const pages = new PageReader(db, rows, CALENDAR);
    const scanner = new Scanner(db, rows, CALENDAR);
    const moment = <T>(read: () => T): T => asOfOneMoment(db, read)(undefined as never);
    const absent = names
      .flatMap((name) => [`${name}!`, name.slice(0, -1) || "x"])
      .filter((n) => !names.includes(n));
    const get = (wanted: readonly string[]) =>
      moment(() =>
        wanted.map((name) => {
          const raw = rows.find(name);
          return raw === CORRUPT ? CORRUPT : raw && toFullCounter(raw);
        }),
      );
    ask("get", each, () => get(names));
    ask("get of none", each, () => get(absent));
    ask("get, timed", each, () => get(timed));
    for (const [when, now] of [
      ["", wallMs],
      [", later", wallMs + TIME_PASSED_MS],
    ] as const) {
      const asOf = { now };
      for (const [about, selection] of Object.entries(SELECTIONS)) {
        ask(`list, ${about}${when}`, walked, () => moment(() => walk(pages, selection, asOf)));
        ask(`sum, ${about}${when}`, summed, () => moment(() => scanner.sum(selection, asOf, () => {})));
        for (const order of ["highest", "lowest"] as const) {
          ask(`top, ${order}, ${about}${when}`, ranked, () =>
            moment(() => scanner.top(selection, 7, order, asOf, () => {})),
          );
        }
      }
    }
    const log = new ChangeLogReader(db, rows);
    const ids = new RequestIdReader(db);
    const catalogue = new CatalogueReader(db);
    for (const since of [0, 50, 84]) {
      ask(`catalogue since ${since}`, catalogued, () => moment(() => catalogue.read(since)));
    }
    const keyUses = new KeyUseReader(db);
    const keyIds = Array.from({ length: KEYS + 1 }, (_, n) => useOf(n)[0]);
    ask("key uses", known, () => moment(() => keyUses.read(keyIds)));
    ask("changes", same, () => moment(() => changesOf(log)));
    ask("changes, late", same, () => moment(() => changesOf(log, "40")));
    ask("ids", same, () => moment(() => idsOf(ids)));
  } finally {
    db.close();
  }
}

const CALENDAR = new ZoneCalendar(() => {});

function walk(
  pages: PageReader,
  selection: Selection,
  asOf: AsOf,
): { counters: FullCounter[]; corruptNames: string[] } {
  const [counters, corruptNames]: [FullCounter[], string[]] = [[], []];
  for (let from: string | undefined = "", n = 0; from !== undefined; n++) {
    if (n > 1_000) throw new Lie("a walk that does not end");
    const page = pages.read(selection, from, 90, asOf);
    counters.push(...page.counters);
    corruptNames.push(...page.corruptNames);
    from = page.next;
  }
  return { counters, corruptNames };
}

function changesOf(log: ChangeLogReader, cursor = ""): unknown[] {
  const all: unknown[] = [];
  for (let n = 0; ; n++) {
    if (n > 5_000) throw new Lie("a log that does not end");
    const page = log.since(cursor, 200);
    // The page itself says so, for who is to accept what was changed by hand.
    if (page.lost !== undefined || page.corruptNames !== undefined)
      throw new TallyError("ROW_CORRUPT", "counters that the change log tells of are damaged");
    if (page.cursor === cursor) return all;
    all.push(...page.changes);
    cursor = page.cursor;
  }
}

function idsOf(reader: RequestIdReader): unknown[] {
  const all: unknown[] = [];
  for (let cursor = "", n = 0; ; n++) {
    if (n > 1_000) throw new Lie("request ids that do not end");
    const page = reader.page(cursor, 150);
    if (page.cursor === cursor) return all;
    all.push(...page.requestIds);
    cursor = page.cursor;
  }
}

/** What changes the file; each step knows what the steps before it may have done. */
function writing(
  connection: WriteConnection,
  clock: HandClock,
  { answered, names, timed }: Made,
  expected: Answers,
  random: Random,
  put: (name: string, question: () => "right" | "refused") => void,
): void {
  const values = new Map((expected.get("get") as FullCounter[]).map(({ name, value }) => [name, value]));
  const retry = (pairs: Made["answered"]) =>
    honest(
      commit(
        connection,
        clock,
        pairs.map(({ asked }) => asked),
      ),
      (answer, i) => answer.replayed && isDeepStrictEqual(answer.results, pairs[i]!.answer.results),
      (i) => `a retry of ${pairs[i]!.asked.requestId} was applied again`,
    );
  const writeCatalogue = (entry: Omit<CatalogueWrite, "expectedVersion">, expectedVersion: number) =>
    connection.writeCatalogue({ ...entry, expectedVersion }, momentOf(clock));
  put("retry", () => retry(answered));
  const picked = names.filter((_, i) => i % 23 === 0);
  const asked = picked.map((name) => single(increment(name, 1n), { id: uuidFrom(random) }));
  let given: Answer[] = [];
  put("new ids", () => {
    given = commit(connection, clock, asked);
    return honest(
      given,
      ({ results, replayed }, i) => !replayed && valueIn(results) === values.get(picked[i]!)! + 1n,
      (i) => `an increment of ${picked[i]} under a new id: ${show(given[i])}`,
    );
  });
  put("retry of new ids", () =>
    retry(given.flatMap((answer, i) => (answer.refused ? [] : [{ asked: asked[i]!, answer }]))),
  );
  const gone = names.filter((_, i) => i % 23 === 11);
  put("delete and make again", () => {
    const deleted = commit(
      connection,
      clock,
      gone.map((name) => single(remove(name))),
    );
    const made = commit(
      connection,
      clock,
      gone.map((name) => single(create(name, { value: 5n, labels: { team: "t2" } }))),
    );
    honest(
      deleted,
      ({ refused }) => refused === undefined,
      (i) => `deleting ${gone[i]}: ${show(deleted[i])}`,
    );
    return honest(
      made,
      ({ refused, results }, i) =>
        deleted[i]!.refused === undefined ? valueIn(results) === 5n : refused?.code === "COUNTER_EXISTS",
      (i) => `${gone[i]} was made again: ${show(deleted[i])}, ${show(made[i])}`,
    );
  });
  const fresh = gone.map((name) => `${name}-new`);
  put("catalogue, as it is known", () => {
    const { entries } = expected.get("catalogue since 0") as CatalogueChanges;
    for (const { kind, key, version, body } of entries) {
      const entry = { kind: kind as CatalogueKind, key, body: "[]" };
      if (version % 7 === 0 && writeCatalogue(entry, version + 1) !== undefined)
        throw new Lie(`${key} was written over`);
      if (version % 7 === 1 && writeCatalogue(entry, body === undefined ? 0 : version) === undefined)
        throw new Lie(`${key} was not written`);
    }
    if (writeCatalogue({ ...entryOf(1_000) }, 0) === undefined) throw new Lie("a new entry was not written");
    return "right";
  });
  put("a later use of each key", () => {
    const later = new Map(Array.from({ length: KEYS }, (_, n) => [useOf(n)[0], useOf(n + KEYS)[1]]));
    connection.noteKeyUses(later, momentOf(clock));
    return "right";
  });
  put("make", () =>
    honest(
      commit(
        connection,
        clock,
        fresh.map((name) => single(create(name, { value: 6n, labels: { team: "t2" } }))),
      ),
      ({ results }) => valueIn(results) === 6n,
      (i) => `${fresh[i]} was made`,
    ),
  );

  clock.advance(TIME_PASSED_MS);
  const asOf = { now: clock.now() };
  const stored = expected.get("get, timed") as FullCounter[];
  const met = stored.map((counter) => present(counter, asOf, CALENDAR)?.value ?? 0n);
  const change = (which: readonly number[], by: bigint, from: (n: number) => bigint) => {
    const given = commit(
      connection,
      clock,
      which.map((n) => single(increment(timed[n]!, by))),
    );
    const verdict = honest(
      given,
      ({ results }, i) => valueIn(results) === from(which[i]!) + by,
      (i) => `an increment of ${timed[which[i]!]} from ${from(which[i]!)}: ${show(given[i])}`,
    );
    for (const [i, { refused }] of given.entries())
      if (refused === undefined) left.set(which[i]!, from(which[i]!) + by);
    return verdict;
  };
  const left = new Map<number, bigint>();
  const [some, others] = [0, 1].map((rest) => timed.flatMap((_, n) => (n % 2 === rest ? n : [])));
  put("what time did is met by changes", () => change(some!, 1n, (n) => met[n]!));
  put("tidying", () => {
    while (connection.maintain(momentOf(clock), () => {}));
    return "right";
  });
  put("what was tidied", () => change(others!, 1n, (n) => met[n]!));
  put("what was met, again", () => change([...left.keys()], 0n, (n) => left.get(n)!));
}

function valueIn(results: Answer["results"]): bigint | undefined {
  const [result] = results;
  return result !== undefined && "value" in result ? (result.value as bigint) : undefined;
}

function honest(
  answers: readonly Answer[],
  right: (answer: Answer, i: number) => boolean,
  lie: (i: number) => string,
): "right" | "refused" {
  let refused = false;
  for (const [i, answer] of answers.entries()) {
    // Those behind much damage in a batch are told that they were not applied, and may come again.
    if (["ROW_CORRUPT", "STORE_UNAVAILABLE"].includes(answer.refused?.code ?? "")) refused = true;
    else if (!right(answer, i)) throw new Lie(lie(i));
  }
  return refused ? "refused" : "right";
}

const each: Compare = (expected, got) => {
  const [wanted, found] = [expected as unknown[], got as unknown[]];
  let refused = false;
  for (const [i, one] of found.entries()) {
    if (one === CORRUPT) refused = true;
    else if (!isDeepStrictEqual(one, wanted[i])) throw new Lie(`instead of ${show(wanted[i])}: ${show(one)}`);
  }
  return refused ? "refused" : "right";
};

const same: Compare = (expected, got) => {
  if (isDeepStrictEqual(expected, got)) return "right";
  throw new Lie(`${show(got).slice(0, 200)} instead of ${show(expected).slice(0, 200)}`);
};

const walked: Compare = (expected, got) => {
  const { counters: wanted } = expected as ReturnType<typeof walk>;
  const { counters, corruptNames } = got as ReturnType<typeof walk>;
  const byName = new Map(wanted.map((counter) => [counter.name, counter]));
  for (const counter of counters) {
    if (!isDeepStrictEqual(counter, byName.get(counter.name))) throw new Lie(`gives ${show(counter)}`);
  }
  if (corruptNames.length > 0) return "refused";
  const names = new Set(counters.map(({ name }) => name));
  if (names.size !== counters.length) throw new Lie(`gives ${counters.length - names.size} twice`);
  if (names.size !== wanted.length) throw new Lie(`leaves out ${wanted.length - names.size}`);
  return "right";
};

const catalogued: Compare = (expected, got) => {
  const { version, entries, corrupt } = got as CatalogueChanges;
  if (corrupt.length === 0) return same(expected, got);
  const wanted = expected as CatalogueChanges;
  if (version !== wanted.version) throw new Lie(`version ${version} instead of ${wanted.version}`);
  for (const entry of entries) {
    if (!wanted.entries.some((each) => isDeepStrictEqual(each, entry))) throw new Lie(`gives ${show(entry)}`);
  }
  if (entries.length + corrupt.length !== wanted.entries.length) throw new Lie("leaves out an entry");
  return "refused";
};

/** What is not there is not known, which is no lie: see KeyUses. */
const known: Compare = (expected, got) => {
  const [wanted, found] = [expected as ReadonlyMap<string, number>, got as ReadonlyMap<string, number>];
  for (const [keyId, hour] of found)
    if (hour !== wanted.get(keyId))
      throw new Lie(`${keyId} was used at ${hour}, not at ${wanted.get(keyId)}`);
  return found.size === wanted.size ? "right" : "refused";
};

const summed: Compare = (expected, got) => {
  if (((got as { corruptNames?: string[] }).corruptNames ?? []).length > 0) return "refused";
  return same(expected, got);
};

const ranked: Compare = (expected, got) => {
  if ((got as { corruptNames: string[] }).corruptNames.length > 0) return "refused";
  return same(expected, got);
};

function verdictOn(error: unknown): Verdict {
  const code = (error as { code?: string }).code ?? "";
  const told = error instanceof TallyError || code.startsWith("SQLITE_");
  return told
    ? "refused"
    : {
        silent:
          error instanceof Lie
            ? error.message
            : String((error as Error).stack)
                .split("\n", 3)
                .join(""),
      };
}

function show(value: unknown): string {
  return JSON.stringify(value, (_, each) => (typeof each === "bigint" ? `${each}` : each)) ?? String(value);
}
