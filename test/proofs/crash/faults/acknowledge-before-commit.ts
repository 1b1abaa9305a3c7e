/**
 * A commit is answered at once and done 60 milliseconds later, and the next one waits for that: on a busy machine it would
 * else be done before the answer is with its caller. Only a kill in between shows it to a writer; a reader may find that it
 * sees less than was acknowledged.
 */
import Original from "better-sqlite3";
import { Whereabouts } from "../../../../src/stores/sqlite/file/whereabouts.ts";
import { replaceModule } from "./replace.ts";

// What is written late looks as if somebody else had written it, and would end the server.
Whereabouts.prototype.beforeWriting = () => {};
Whereabouts.prototype.afterWriting = () => {};

/** Longer than an answer is on its way to a caller, on a machine that is busy. */
const LATE_MS = 60;
const NEVER = new Int32Array(new SharedArrayBuffer(4));

export default class Database extends Original {
  #late: Original.Statement | undefined;
  /** When it is to be done, by performance.now(). */
  #dueMs = 0;

  override prepare(sql: string): never {
    const statement = super.prepare(sql);
    if (sql === "COMMIT") return { run: () => this.#commitLater(statement) } as never;
    if (sql === "BEGIN IMMEDIATE") return { run: () => this.#begin(statement) } as never;
    return statement as never;
  }

  override pragma(source: string, options?: Original.PragmaOptions): unknown {
    if (source.startsWith("wal_checkpoint")) this.#commitNow();
    return super.pragma(source, options);
  }

  #begin(begin: Original.Statement): void {
    if (this.#late !== undefined) Atomics.wait(NEVER, 0, 0, Math.max(0, this.#dueMs - performance.now()));
    this.#commitNow();
    begin.run();
  }

  #commitLater(commit: Original.Statement): void {
    this.#late = commit;
    this.#dueMs = performance.now() + LATE_MS;
    setTimeout(() => this.#commitNow(), LATE_MS);
  }

  #commitNow(): void {
    const commit = this.#late;
    this.#late = undefined;
    commit?.run();
  }
}

replaceModule("better-sqlite3", import.meta.url);
