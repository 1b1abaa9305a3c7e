/** What is to be archived, and where. */
export interface ArchiveOptions {
  /** The folder, which is there. */
  readonly dir: string;
  /** How many bytes of changes may wait to be archived; a GiB unless given. When there are more, it breaks off. */
  readonly waitingBytesMax?: number;
}

/** How an archive is, which has each change of a store: with a backup that was made since it was begun, any moment can be restored. */
export interface ArchiveStatus {
  /** It is looked at; it has every change since it was begun; or it has a gap, and will be begun anew. */
  readonly state: "opening" | "archiving" | "broken";
  /** How often it has broken off since the store was opened. */
  readonly breaks: number;
  /** Up to when all is in it, and since when there is no gap, in milliseconds since the Unix epoch; 0 before it was begun. */
  readonly upToMs: number;
  readonly beganMs: number;
  /**
   * Whether its folder was not there when it was looked last, or another disk was in its place: it may come back with all that is
   * in it, and until then nothing can be restored through it.
   */
  readonly isAway: boolean;
  /** Why nothing could be archived when that was tried last: a sentence; undefined when it could. */
  readonly failure: string | undefined;
  /** Why it was begun anew, as what follows "because"; undefined when it was gone on with. */
  readonly why: string | undefined;
}

/** The archive of a store. */
export interface Archiving {
  readonly status: ArchiveStatus;
}
