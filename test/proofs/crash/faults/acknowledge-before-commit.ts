/**
 * A commit is answered at once and done a little later: before the next one begins, or after 20 milliseconds. Only a
 * kill in between shows it to a writer; a reader may find that it sees less than was acknowledged.
 */
import Original from "better-sqlite3";
import { Whereabouts } from "../../../../src/stores/sqlite/file/whereabouts.ts";
import { replaceModule } from "./replace.ts";

// What is written late looks as if somebody else had written it, and would end the server.
Whereabouts.prototype.beforeWriting = () => {};
Whereabouts.prototype.afterWriting = () => {};

/** Longer than an answer is on its way to a caller, on a machine that is busy. */
const LATE_MS = 20;

export default class Database extends Original {
  #late: Original.Statement | undefined;

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
    this.#commitNow();
    begin.run();
  }

  #commitLater(commit: Original.Statement): void {
    this.#late = commit;
    setTimeout(() => this.#commitNow(), LATE_MS);
  }

  #commitNow(): void {
    const commit = this.#late;
    this.#late = undefined;
    commit?.run();
  }
}

replaceModule("better-sqlite3", import.meta.url);
