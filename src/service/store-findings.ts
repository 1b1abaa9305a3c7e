/** What is found wrong in a store's files, and what mends it. */
export interface Finding {
  readonly code: FindingCode;
  /** Of the counter; or, where there is no name to tell, what else it is known by: "row id 7", "position 12". */
  readonly name: string;
  /** What is wrong: a clause. */
  readonly about: string;
  /** Whether `tally accept` mends it, and of what; or what else does. */
  readonly mend: Mend;
}

/** What mends a finding. */
export type Mend =
  /** `tally accept NAME`, if what its row says is right. */
  | "accept"
  /** `tally accept --gone`. */
  | "accept gone"
  /** A start of the server: it makes it anew, or sets it aside. */
  | "start"
  /** Nobody needs to: the next change of the counter does. */
  | "change"
  /** Nobody needs to: the next use of the key does. */
  | "use"
  /** Nobody needs to: it is forgotten in its time. Until then what it is asked for is refused. */
  | "time"
  /** Only a backup. */
  | "restore";

/** What can be found. Stable, for scripts. */
export type FindingCode =
  /** What SQLite itself says of its pages. */
  | "PAGE_DAMAGED"
  /** A row that there is one of, about the whole file: how far it has come, its schema, its catalogue. */
  | "HEAD_DAMAGED"
  | "CATALOGUE_DAMAGED"
  /** When a key was last used is damaged. */
  | "KEY_USE_DAMAGED"
  /** A counter's row fails its checksum, or its count is missing or there twice. */
  | "ROW_DAMAGED"
  /** Something leads to a counter, or is left of it, and its row is gone. */
  | "ROW_GONE"
  /** Nothing leads to a counter's row by its name, or by one of its labels. */
  | "NAME_LOST"
  | "LABEL_LOST"
  /** An entry of the names or of the labels is damaged, leads elsewhere, or is missing. */
  | "NAME_WRONG"
  | "LABEL_WRONG"
  /** Nothing leads to when a counter's window ends, or when it expires. */
  | "DUE_LOST"
  /** An answer kept under a request id is damaged, or cannot be found. */
  | "REQUEST_ID_DAMAGED"
  /** A commit of the change log, an opening or the end of a counter is damaged or missing. */
  | "LOG_DAMAGED"
  /** The changes of a counter do not lead to its value. */
  | "VALUE_UNACCOUNTED"
  /** The history is of another file or time, or rows of it are damaged or missing. */
  | "HISTORY_FOREIGN"
  | "HISTORY_DAMAGED"
  /** What the history has of a counter is not what the change log has of it. */
  | "HISTORY_DIFFERS";

/** What was looked at, and found. */
export interface Verification {
  /** Of what: as people know it. */
  readonly store: string;
  /** Whether a server had it meanwhile. */
  readonly served: boolean;
  readonly counters: number;
  /** The sum of their values. */
  readonly sum: bigint;
  /** Commits of the change log, and request ids. */
  readonly commits: number;
  readonly requestIds: number;
  /** Rows of history; undefined where there is none. */
  readonly historyRows: number | undefined;
  readonly findings: readonly Finding[];
  /** How many more there are than those. */
  readonly more: number;
}

/** How far it is. */
export interface VerifyProgress {
  /** What is looked at. */
  readonly part: string;
  /** How much of it was, in rows. */
  readonly rows: number;
}

/** A store that can be looked at while this process serves it. */
export interface Verifying {
  /**
   * Look at everything that it keeps, beside the traffic and by another process.
   *
   * @throws TallyError STORE_UNAVAILABLE  with one sentence for the operator: its WAL has grown too large meanwhile, say;
   *                                       CALL_CANCELLED when it was stopped
   */
  verify(options: {
    readonly signal: AbortSignal;
    /** Told now and then how far it is. */
    readonly onProgress: (progress: VerifyProgress) => void;
  }): Promise<Verification>;
}
