import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Random } from "../crash/random.ts";
import type { Site } from "./site.ts";

/** A store that was saved. */
export interface Saved {
  readonly file: string;
  readonly value: bigint;
  /** Stopped in order, so that the data file alone is all of it. */
  readonly closed: boolean;
}

/** What may be served after a harm: all that was answered, or a backup; else the start is refused. */
export type Allowed =
  | "all"
  | "all or refused"
  | "refused"
  | { readonly backup: bigint; readonly orRefused: boolean };

/** Something that is done to the files of a store that no server has. */
export interface Harm {
  readonly name: string;
  /** @returns  what may come of it, and the file to start on when it is another; undefined where it cannot be done */
  do(
    site: Site,
    random: Random,
    saved: readonly Saved[],
    closed: boolean,
  ): { allowed: Allowed; at?: string } | undefined;
}

const wal = (site: Site) => `${site.file}-wal`;
const hasWal = (site: Site) => existsSync(wal(site)) && statSync(wal(site)).size > 0;

export const HARMS: readonly Harm[] = [
  { name: "nothing", do: () => ({ allowed: "all" }) },
  {
    name: "an older backup put back beside what is there",
    do(site, random, saved, closed) {
      const backups = saved.filter((each) => each.closed);
      if (backups.length === 0) return undefined;
      const { file, value } = random.pick(backups);
      copyFileSync(file, site.file);
      return { allowed: { backup: value, orRefused: !closed } };
    },
  },
  {
    name: "an older backup put back, the sidecars removed",
    do(site, random, saved) {
      const backups = saved.filter((each) => each.closed);
      if (backups.length === 0) return undefined;
      const { file, value } = random.pick(backups);
      for (const suffix of ["-wal", "-shm", "-lock"]) rmSync(site.file + suffix, { force: true });
      copyFileSync(file, site.file);
      return { allowed: { backup: value, orRefused: false } };
    },
  },
  {
    name: "a data file of a server that was killed, without its WAL",
    do(site, random, saved) {
      const killed = saved.filter((each) => !each.closed);
      if (killed.length === 0) return undefined;
      for (const suffix of ["-wal", "-shm"]) rmSync(site.file + suffix, { force: true });
      copyFileSync(random.pick(killed).file, site.file);
      return { allowed: "refused" };
    },
  },
  {
    name: "a whole copy of a killed server's files",
    do(site, random, saved) {
      const killed = saved.filter((each) => !each.closed);
      if (killed.length === 0) return undefined;
      const { file, value } = random.pick(killed);
      site.restore(file);
      return { allowed: { backup: value, orRefused: false } };
    },
  },
  {
    name: "a WAL of a former time",
    do(site, random, saved) {
      const killed = saved.filter((each) => !each.closed && existsSync(`${each.file}-wal`));
      if (killed.length === 0) return undefined;
      copyFileSync(`${random.pick(killed).file}-wal`, wal(site));
      return { allowed: "all or refused" };
    },
  },
  {
    name: "the WAL removed",
    do(site, _random, _saved, closed) {
      rmSync(wal(site), { force: true });
      return { allowed: closed ? "all" : "refused" };
    },
  },
  {
    name: "the WAL cut",
    do(site, random) {
      if (!hasWal(site)) return undefined;
      truncateSync(wal(site), random.pick([0, 10, 32, random.between(0, statSync(wal(site)).size - 1)]));
      return { allowed: "all or refused" };
    },
  },
  {
    name: "the index removed",
    do(site) {
      rmSync(`${site.file}-shm`, { force: true });
      return { allowed: "all" };
    },
  },
  {
    name: "the index overwritten",
    do(site) {
      writeFileSync(`${site.file}-shm`, Buffer.alloc(32_768, 0x5a));
      return { allowed: "all" };
    },
  },
  {
    name: "the lock removed",
    do(site) {
      rmSync(`${site.file}-lock`, { force: true });
      return { allowed: "all" };
    },
  },
  {
    name: "a second name, started by that",
    do(site) {
      const other = join(site.root, "other");
      rmSync(other, { recursive: true, force: true });
      mkdirSync(other);
      linkSync(site.file, join(other, "tally.db"));
      return { allowed: "refused", at: join(other, "tally.db") };
    },
  },
  {
    name: "the data file renamed, started by the new name",
    do(site, _random, _saved, closed) {
      const at = join(site.folder, "renamed.db");
      renameSync(site.file, at);
      return { allowed: closed ? "all" : "refused", at };
    },
  },
  {
    name: "the whole folder renamed, started there",
    do(site) {
      const folder = join(site.root, "moved");
      rmSync(folder, { recursive: true, force: true });
      renameSync(site.folder, folder);
      return { allowed: "all", at: join(folder, "tally.db") };
    },
  },
  {
    name: "the data file emptied",
    do(site) {
      if (!hasWal(site)) return undefined;
      truncateSync(site.file);
      return { allowed: "refused" };
    },
  },
  {
    name: "the data file removed",
    do(site) {
      if (!hasWal(site)) return undefined;
      rmSync(site.file);
      return { allowed: "refused" };
    },
  },
];

/** Something that is done to the files while a server has them, which must end it. */
export interface LiveHarm {
  readonly name: string;
  do(site: Site, saved: readonly Saved[]): void;
  /** Take it back; where nothing can, the next start must be refused. */
  undo?(site: Site): void;
}

const aside = (site: Site, suffix: string) => join(site.root, `aside${suffix}`);
const away = (suffix: string): LiveHarm => ({
  name: `tally.db${suffix} moved away`,
  do: (site) => renameSync(site.file + suffix, aside(site, suffix)),
  undo: (site) => renameSync(aside(site, suffix), site.file + suffix),
});

export const LIVE_HARMS: readonly LiveHarm[] = [
  away(""),
  away("-wal"),
  {
    name: "another file in the place of tally.db",
    do(site) {
      copyFileSync(site.file, join(site.root, "copy"));
      renameSync(site.file, aside(site, ""));
      renameSync(join(site.root, "copy"), site.file);
    },
    undo: (site) => renameSync(aside(site, ""), site.file),
  },
  {
    name: "the folder moved away",
    do: (site) => renameSync(site.folder, join(site.root, "folder-aside")),
    undo: (site) => renameSync(join(site.root, "folder-aside"), site.folder),
  },
  {
    name: "tally.db removed",
    do: (site) => rmSync(site.file),
  },
  {
    name: "tally.db overwritten by a backup",
    do: (site, saved) => copyFileSync(saved.find(({ closed }) => closed)!.file, site.file),
  },
  {
    name: "tally.db emptied",
    do: (site) => truncateSync(site.file),
  },
  {
    name: "tally.db-wal emptied",
    do: (site) => truncateSync(wal(site)),
  },
];
