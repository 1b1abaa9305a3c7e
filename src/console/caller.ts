/** Who the person at the page is to the server: the key that they have given, and what it may do. */
import type { Interceptor, Transport } from "@connectrpc/connect";
import { batch, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { KeyHolder, Who } from "./key-holder.ts";
import { isForTheKey, type Problem, problemOf } from "./problem.ts";

/** What is loaded once it is known that the server asks who calls. */
export type Asking = typeof import("./asking.ts");

/** Where the key is kept: a tab's own storage. */
export type Kept = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/**
 * The key that goes with each call, and whom the server takes its holder for.
 *
 * Of a server that does not ask who calls nothing of this is seen. One that its page knows for such is not asked who that is,
 * until it does.
 */
export class Caller implements KeyHolder {
  /** Undefined: nobody asks, or it is not known yet. */
  readonly who: ReadonlySignal<Who | undefined>;
  /** Why a key is wanted; undefined: it is not. */
  readonly wanted: ReadonlySignal<Problem | undefined>;
  /** Whether a key is being asked for. */
  readonly asking: Signal<boolean> = signal(false);
  /** Whether there is a key. */
  readonly hasKey: ReadonlySignal<boolean>;
  /** What shows and asks who it is; undefined until the server is known to ask. */
  readonly parts: ReadonlySignal<Asking | undefined>;
  /** Whether that could not be had: the server has another page by now, or is away. */
  readonly partsMissing: Signal<boolean> = signal(false);
  /** Another number whenever the key is another one. */
  readonly identity: Signal<number> = signal(0);
  readonly #who: Signal<Who | undefined> = signal(undefined);
  readonly #wanted: Signal<Problem | undefined> = signal(undefined);
  readonly #hasKey: Signal<boolean>;
  readonly #parts: Signal<Asking | undefined> = signal(undefined);
  readonly #kept: Kept;
  /** The person has said that they have none: they are not asked again unless they want to be. */
  #declined = false;
  #key: string | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #transport: Transport | undefined;
  #baseUrl = "";
  #asksWhoCalls = true;

  constructor(kept: Kept) {
    this.#kept = kept;
    this.#key = kept.getItem(ITEM) ?? undefined;
    this.#hasKey = signal(this.#key !== undefined);
    this.who = this.#who;
    this.wanted = this.#wanted;
    this.hasKey = this.#hasKey;
    this.parts = this.#parts;
  }

  /** Has each call carry the key, and hears which are refused for it. */
  readonly interceptor: Interceptor = (next) => async (request) => {
    if (request.service.typeName === ADMIN_SERVICE) return next(request); // With the key that it asks about.
    const key = this.#key;
    if (key !== undefined) request.header.set(HEADER, `Bearer ${key}`);
    try {
      const answer = await next(request);
      if (this.#key === key) this.#wanted.value = undefined;
      return answer;
    } catch (error) {
      if (this.#key === key) this.#hear(problemOf(error));
      throw error;
    }
  };

  /** What the same is of a call that is made without Connect. */
  headers(): Record<string, string> {
    return headersOf(this.#key);
  }

  /**
   * Ask the server who this is.
   *
   * @param transport  has the interceptor
   * @param baseUrl    where the transport leads, with a / at its end
   * @param asksWhoCalls  false: it asks nobody, so that its answer would be an error
   */
  async open(transport: Transport, baseUrl: string, asksWhoCalls = true): Promise<void> {
    this.#transport = transport;
    this.#baseUrl = baseUrl;
    this.#asksWhoCalls = asksWhoCalls;
    if (this.#key !== undefined) void this.#load();
    await this.#look();
  }

  /**
   * Take a key, if it is one that the server takes.
   *
   * @returns  who that is; undefined where the server does not ask
   * @throws ConnectError  for a key that it does not take, or without an answer: then the key of before stays
   */
  async give(key: string, call: { signal: AbortSignal; timeoutMs: number }): Promise<void> {
    const who = await this.#ask(key, call);
    batch(() => {
      this.#take(key);
      this.#who.value = who;
      this.asking.value = false;
    });
  }

  /** Call without a key from now on. */
  forget(): void {
    batch(() => {
      this.#take(undefined);
      this.#who.value = undefined;
    });
    this.#declined = true;
    void this.#look();
  }

  /** Have the person asked for a key. */
  ask(): void {
    this.asking.value = true;
    void this.#load();
  }

  /** They have none to give. */
  decline(): void {
    this.#declined = true;
    this.asking.value = false;
  }

  #take(key: string | undefined): void {
    this.#key = key;
    this.#hasKey.value = key !== undefined;
    this.#wanted.value = undefined;
    this.#declined = false;
    this.identity.value++;
    if (key === undefined) this.#kept.removeItem(ITEM);
    else this.#kept.setItem(ITEM, key);
  }

  #hear(problem: Problem): void {
    if (isForTheKey(problem)) {
      this.#asksWhoCalls = true; // By now.
      this.#wanted.value = problem;
      if (!this.#declined) this.ask();
    } else if (problem.reason === "PERMISSION_DENIED") {
      this.#asksWhoCalls = true;
      void this.#look(); // What it may do has changed, perhaps.
    }
  }

  async #look(): Promise<void> {
    const now = performance.now();
    const transport = this.#transport;
    if (
      transport === undefined ||
      !this.#asksWhoCalls ||
      (this.#who.value !== undefined && now - this.#lookedAt < AGAIN_MS)
    )
      return;
    this.#lookedAt = now;
    const key = this.#key;
    const who = await this.#ask(key, { timeoutMs: AGAIN_MS }).catch(() => undefined);
    if (this.#key === key) this.#who.value = who ?? this.#who.value;
  }

  /** @returns  undefined: the server does not ask who calls, or is older than that */
  async #ask(
    key: string | undefined,
    call: { readonly signal?: AbortSignal; readonly timeoutMs: number },
  ): Promise<Who | undefined> {
    const headers = headersOf(key);
    if (this.#parts.value === undefined && !(await asksWhoCalls(this.#baseUrl, headers))) return undefined;
    const parts = await this.#load();
    return parts?.whoAmI(this.#transport!, { ...call, headers });
  }

  async #load(): Promise<Asking | undefined> {
    try {
      this.#parts.value ??= await import("./asking.ts");
      this.partsMissing.value = false;
    } catch {
      this.partsMissing.value = true;
    }
    return this.#parts.value;
  }
}

/**
 * Whether a server asks who calls, before anything is loaded that a page of another one does without. It is
 * Connect's GET, made by hand, for what reads its answer is not there yet.
 */
async function asksWhoCalls(baseUrl: string, headers: Record<string, string>): Promise<boolean> {
  const query = new URLSearchParams({ connect: "v1", encoding: "json", message: "{}" });
  const response = await fetch(`${baseUrl}${ADMIN_SERVICE}/WhoAmI?${query}`, {
    headers,
    signal: AbortSignal.timeout(AGAIN_MS),
  });
  return response.status !== 501 && response.status !== 404;
}

/** A tab's storage; where it is forbidden, what is kept is kept until the page is loaded anew. */
export function tabStorage(): Kept {
  try {
    sessionStorage.getItem(ITEM);
    return sessionStorage;
  } catch {
    const items = new Map<string, string>();
    return {
      getItem: (name) => items.get(name) ?? null,
      setItem: (name, value) => void items.set(name, value),
      removeItem: (name) => void items.delete(name),
    };
  }
}

function headersOf(key: string | undefined): Record<string, string> {
  return key === undefined ? {} : { [HEADER]: `Bearer ${key}` };
}

const ITEM = "tally-api-key";
const HEADER = "authorization";
const ADMIN_SERVICE = "tally.v1.AdminService";

/** Who is asked again for the same, in milliseconds; and how long an answer may take. */
const AGAIN_MS = 5_000;
