/** What is listed, a page of it at a time, and the changes that are made to it. */
import type { Client } from "@connectrpc/connect";
import { computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { Counter, Outcome } from "../../gen/browser/tally/v1/counter_pb.ts";
import type { CounterService } from "../../gen/browser/tally/v1/counter_service_pb.ts";
import { type ChangeOptions, Changes, type Sending } from "./change.ts";
import { Poller } from "./poller.ts";
import { problemOf } from "./problem.ts";

/** The API's client in the browser. */
export type CounterClient = Client<typeof CounterService>;

/** A request without what is seen to here. */
type Request<Call extends "createCounter" | "updateCounter"> = Omit<
  Parameters<CounterClient[Call]>[0],
  "$typeName" | "$unknown" | "requestId"
>;

/** A counter, or the name of one whose stored row is damaged, so that nobody can say what it counted. */
export type Listed = { readonly name: string; readonly counter: Counter | undefined };

/** A page of the list, as it was answered. */
export interface Page {
  readonly listed: readonly Listed[];
  /** What it was asked for by. */
  readonly prefix: string;
  readonly token: string;
  /** Of the page after this one; "" when this is the last. */
  readonly nextToken: string;
  /** When it was answered: milliseconds since the Unix epoch, by the clock of the person who looks. */
  readonly asOf: number;
}

/** Which page of which search is looked at. */
export interface Place {
  /** What the names must begin with. */
  readonly prefix: string;
  /**
   * Tokens of the pages that lead to this one, itself included: the first is "". One is undefined where an address led
   * past it.
   */
  readonly tokens: readonly [...(string | undefined)[], string];
  /**
   * What led there: the person turned a page or searched, the server has no such page any more, an address did, or the
   * grants of who looks, which let them see no more than this.
   */
  readonly by: "turn" | "search" | "server" | "address" | "grants";
}

/** What the list asks, and how often. */
export interface CountersOptions extends ChangeOptions {
  readonly client: CounterClient;
  /** How many counters make a page: 1 to 1,000. */
  readonly pageSize: number;
  /** How often to ask for the page again, in milliseconds. */
  readonly everyMs: number;
  /** How long to wait when the server is away, in milliseconds: the first time, then doubled up to the last. */
  readonly awayMs: { readonly first: number; readonly last: number };
}

/** The counters that the page shows: which part of the list, kept up with, and how they are changed. */
export class Counters {
  readonly place: Signal<Place> = signal({ prefix: "", tokens: [""], by: "address" });
  readonly prefix: ReadonlySignal<string> = computed(() => this.place.value.prefix);
  readonly tokens: ReadonlySignal<Place["tokens"]> = computed(() => this.place.value.tokens);
  /** The page as it was answered last; the one before while a new one is on its way. */
  readonly page: Signal<Page | undefined> = signal(undefined);
  readonly poller: Poller;
  readonly #options: CountersOptions;
  readonly #changes = new Map<string, Changes>();
  readonly #answered = new EventTarget();
  /** How many changes were answered: a page that was asked for before one of them may not have it. */
  #made = 0;

  constructor(options: CountersOptions) {
    this.#options = options;
    const { everyMs, awayMs } = options;
    this.poller = new Poller({ ask: (dropped) => this.#ask(dropped), everyMs, awayMs });
  }

  /** List the counters whose names begin like this, from the first page. */
  search(prefix: string): void {
    if (prefix !== this.prefix.value) this.goTo({ prefix, tokens: [""], by: "search" });
  }

  nextPage(): void {
    const next = this.page.value?.nextToken ?? "";
    if (next !== "") this.goTo({ ...this.place.value, tokens: [...this.tokens.value, next], by: "turn" });
  }

  previousPage(): void {
    if (this.tokens.value.length > 1) this.goTo({ ...before(this.place.value), by: "turn" });
  }

  goTo(place: Place): void {
    this.place.value = place;
    this.poller.askNow();
  }

  /** Ask for the page again. @returns  once it is answered */
  refresh(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#answered.addEventListener("page", () => resolve(), { once: true });
    this.poller.askNow();
    return promise;
  }

  /** A counter of this page; undefined when it is not on it, or damaged. */
  counterOf(name: string): Counter | undefined {
    return this.page.value?.listed.find((each) => each.name === name)?.counter;
  }

  /** The changes of one counter, which wait for each other. */
  changesOf(name: string): Changes {
    let changes = this.#changes.get(name);
    if (changes === undefined) {
      changes = new Changes(this.#options);
      this.#changes.set(name, changes);
    }
    return changes;
  }

  /** Changes of no counter that is listed yet. */
  newChanges(): Changes {
    return new Changes(this.#options);
  }

  /** Add to a counter, or subtract when the amount is below 0. */
  add(name: string, amount: bigint): Promise<bigint | undefined> {
    return this.changesOf(name).make(async (sending) => {
      const { requestId, call } = callOf(sending);
      const { client } = this.#options;
      const { outcome } =
        amount > 0n
          ? await client.increment({ name, amount, requestId, mustExist: true }, call)
          : await client.decrement({ name, amount: -amount, requestId }, call);
      return this.#changed(outcome!);
    });
  }

  /** @param etag  set it only if the counter is still at this one */
  set(changes: Changes, name: string, value: bigint, etag: string | undefined): Promise<bigint | undefined> {
    return changes.make(async (sending) => {
      const { requestId, call } = callOf(sending);
      const request = { name, value, requestId, mustExist: true, ...(etag !== undefined && { etag }) };
      const { outcome } = await this.#options.client.set(request, call);
      return this.#changed(outcome!);
    });
  }

  /** Back to the value that it starts from. @param etag  as for `set` */
  reset(changes: Changes, name: string, etag: string | undefined): Promise<bigint | undefined> {
    return changes.make(async (sending) => {
      const { requestId, call } = callOf(sending);
      const request = { name, requestId, ...(etag !== undefined && { etag }) };
      const { outcome } = await this.#options.client.reset(request, call);
      return this.#changed(outcome!);
    });
  }

  /** Change the settings that `updateMask` names, if they are still those of `settingsEtag`. */
  update(changes: Changes, change: Request<"updateCounter">): Promise<Counter | undefined> {
    return changes.make(async (sending) => {
      const { requestId, call } = callOf(sending);
      const { counter } = await this.#options.client.updateCounter({ ...change, requestId }, call);
      this.#made++;
      return counter!;
    });
  }

  create(changes: Changes, settings: Request<"createCounter">): Promise<Counter | undefined> {
    return changes.make(async (sending) => {
      const { requestId, call } = callOf(sending);
      const { counter } = await this.#options.client.createCounter({ ...settings, requestId }, call);
      this.#made++;
      return counter!;
    });
  }

  /** @returns  the value that it had at the end */
  delete(changes: Changes, name: string): Promise<bigint | undefined> {
    return changes.make(async (sending) => {
      const { requestId, call } = callOf(sending);
      const { value } = await this.#options.client.deleteCounter({ name, requestId }, call);
      this.#made++;
      this.#changes.delete(name);
      return value;
    });
  }

  async #ask(dropped: AbortSignal): Promise<void> {
    const { client, pageSize, attemptMs } = this.#options;
    for (;;) {
      const made = this.#made;
      const prefix = this.prefix.value;
      const token = lastOf(this.tokens.value);
      const request = { prefix, pageToken: token, pageSize };
      const answer = await client
        .listCounters(request, { signal: dropped, timeoutMs: attemptMs })
        .catch((error: unknown) => {
          // An address may be older than what the server takes for one of its tokens.
          if (token === "" || dropped.aborted || problemOf(error).field !== "page_token") throw error;
        });
      if (dropped.aborted) return;
      if (answer === undefined) {
        this.place.value = { prefix, tokens: [""], by: "server" };
        continue;
      }
      if (made !== this.#made) continue; // It may be older than what the person has just been told.
      const listed = listedOf(answer.counters, answer.corruptNames);
      if (listed.length === 0 && token !== "" && answer.nextPageToken === "") {
        this.place.value = { ...before(this.place.value), by: "server" }; // Whatever was on this page is gone.
        continue;
      }
      this.page.value = { listed, prefix, token, nextToken: answer.nextPageToken, asOf: Date.now() };
      this.#answered.dispatchEvent(new Event("page"));
      return;
    }
  }

  #changed({ name, value, revision, etag }: Outcome): bigint {
    this.#made++;
    const page = this.page.value;
    if (page !== undefined) {
      const listed = page.listed.map((each) =>
        each.name === name && each.counter !== undefined && each.counter.revision < revision
          ? { name, counter: { ...each.counter, value, revision, etag } }
          : each,
      );
      this.page.value = { ...page, listed };
    }
    return value;
  }
}

/** Of the page that is looked at. */
export function lastOf(tokens: Place["tokens"]): string {
  return tokens.at(-1)!;
}

/** The page before, or the first when nobody knows the one before. */
function before({ prefix, tokens }: Place): Pick<Place, "prefix" | "tokens"> {
  const token = tokens.at(-2);
  if (token === undefined) return { prefix, tokens: [""] };
  return { prefix, tokens: [...tokens.slice(0, -2), token] };
}

function callOf({ requestId, signal, timeoutMs }: Sending) {
  return { requestId, call: { signal, timeoutMs } };
}

/** In the order of their bytes, as the server has them: names are ASCII. */
function listedOf(counters: readonly Counter[], corruptNames: readonly string[]): Listed[] {
  const listed: Listed[] = counters.map((counter) => ({ name: counter.name, counter }));
  listed.push(...corruptNames.map((name) => ({ name, counter: undefined })));
  return corruptNames.length === 0 ? listed : listed.sort((a, b) => (a.name < b.name ? -1 : 1));
}
