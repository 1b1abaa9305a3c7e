/** What a backup says of itself. */
export interface BackupManifest {
  /** Of the backup: "tally-backup/1". */
  readonly format: string;
  /** Of the data file and of the history; null where there is none in it. */
  readonly schema: number;
  readonly historySchema: number | null;
  /** Of the latest commit that is in it, a decimal number. */
  readonly position: string;
  /** When it was as it is in it: RFC 3339, in UTC. */
  readonly time: string;
  /** Of the store, as copies know it, and of its change log; null where nobody has asked for one. */
  readonly storeId: string | null;
  readonly logId: string | null;
  /** How many there are. */
  readonly counters: number;
  /** How many rows of its history were found damaged: those are gaps in it. All else was found sound. */
  readonly findings: number;
  readonly files: readonly BackupFile[];
}

/** Where a backup is read from: the path of a file; or bytes as they come, and what they are called to people. */
export type BackupSource = string | { readonly name: string; readonly chunks: AsyncIterable<Buffer> };

/** A file in a backup. */
export interface BackupFile {
  readonly name: string;
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

/** A backup that was made. */
export interface BackedUp {
  readonly store: string;
  readonly manifest: BackupManifest;
  /** Of the whole backup. */
  readonly bytes: number;
  readonly served: boolean;
}

/** Backups of the store that this process serves, for who may start them. */
export interface BackupMaking {
  /** What the store's file is called: what those of its backups begin with. */
  readonly name: string;
  /** The folder that it is in. */
  readonly folder: string;
  /**
   * Make a backup beside the traffic, by another process.
   *
   * @throws TallyError STORE_UNAVAILABLE  with one sentence for the operator; CALL_CANCELLED when it was stopped. Then nothing
   *                                       is left of it, or what is left goes with the next one
   */
  make(options: BackupToMake): Promise<BackedUp>;
  /** Whether a file is a backup and all there, as far as its beginning, its length and its end tell. */
  isWhole(file: string): boolean;
}

/** A backup that is to be made. */
export interface BackupToMake {
  /** Where nothing stands yet. */
  readonly to: string;
  /** The folder in which it is until it is whole; what one that was killed has left there goes. */
  readonly part: string;
  readonly bytesPerSecond: number;
  readonly signal: AbortSignal;
  /** Told what the operator is to know: a sentence. */
  readonly warn: (sentence: string) => void;
}

/** Up to when a store is restored: its last commit that is not after. */
export type RestoreUntil =
  /** Of the change log. */
  | { readonly position: number }
  /** In milliseconds since the Unix epoch. */
  | { readonly time: number };

/** Up to where a store was restored from an archive. */
export interface Reached {
  /** Of the change log. */
  readonly position: number;
  /** Of the last commit, in milliseconds since the Unix epoch. */
  readonly time: number;
}

/** A store that was restored. */
export interface Restored {
  readonly store: string;
  /** The backup's file, and what it says of itself. */
  readonly backup: string;
  readonly manifest: BackupManifest;
  /** Where an archive was asked for: how far it led. */
  readonly reached: Reached | undefined;
}

/** What a restore made of who may call. */
export interface RestoredKeys {
  /** Of API keys that were neither revoked nor expired when the backup was made: they are good again. */
  readonly good: number;
  /** Of those, how many are revoked now; and what nobody could read of others, and is gone. */
  readonly revoked: number;
  /** The epoch that the store has from now on: 8 hexadecimal digits. */
  readonly epoch: string;
}

/** How far a backup or a restore is. */
export interface CopyingProgress {
  /** What is done: "copied", "checked", "written". */
  readonly doing: string;
  /** Of how many; undefined where nobody knows. */
  readonly bytes: number;
  readonly of: number | undefined;
}
