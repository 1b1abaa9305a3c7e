import type { Session } from "../client-command.ts";
import type { Progress } from "../count/progress.ts";
import type { RequestOptions } from "../requests.ts";
import type { Before } from "./before.ts";
import type { FileFormat } from "./formats.ts";
import type { Imported } from "./imported.ts";

/** The options of an import. */
export interface ImportOptions extends Pick<RequestOptions, "note"> {
  readonly format?: FileFormat;
  readonly dryRun?: true;
  readonly skipBad?: true;
  readonly existing: "set" | "keep";
  readonly prefix: string;
  readonly importId: string;
  readonly timeout: number;
}

/** Where counters go, and what became of them. */
export interface ImportedTo extends Pick<Session, "client"> {
  readonly imported: Imported;
  readonly before: Before;
}

/** What an import works with. */
export interface ImportSession extends ImportedTo {
  readonly options: ImportOptions;
  readonly progress: Progress;
  /** Aborted when somebody stops it: what was read is then still imported. */
  readonly stop: AbortSignal;
}
