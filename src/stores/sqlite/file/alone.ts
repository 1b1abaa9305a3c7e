/**
 * The data file by itself, as bytes: SQLite would take the WAL in before it says anything.
 *
 * Opens and closes the file, which drops this process's POSIX locks on it: only while no connection of this process has
 * it. The caller holds the lock that makes sure of it.
 *
 * @see https://www.sqlite.org/fileformat2.html
 */
import { closeSync, openSync, readSync } from "node:fs";
import { HEAD_COLUMNS, type HeadRow, headFrom } from "../rows/head.ts";

/** The row of `wal_binding`; see wal-binding.ts. */
export interface BindingRow {
  readonly id: string | null;
  readonly basedOn: string | null;
  readonly open: boolean;
}

/** What the data file itself says, whatever its WAL has. */
export interface FileAlone {
  readonly applicationId: number;
  /** The schema, by `user_version`. */
  readonly version: number;
  /** Whether the file says of itself that its changes go through a WAL. */
  readonly inWalMode: boolean;
  /** Undefined when no such row can be read: the schema is older, or a checkpoint was cut short, or it is damaged. */
  readonly binding: BindingRow | undefined;
  /** How far it has come; undefined when it cannot be read or is damaged, as above. */
  readonly head: HeadRow | undefined;
}

/** @returns  undefined when the file is missing, empty, or none of SQLite's */
export function readAlone(path: string): FileAlone | undefined {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    return undefined; // Whoever opens it next has the better sentence.
  }
  try {
    const head = Buffer.alloc(100);
    if (readSync(fd, head, 0, 100, 0) < 100 || head.toString("latin1", 0, 16) !== MAGIC) return undefined;
    return {
      applicationId: head.readInt32BE(68),
      version: head.readInt32BE(60),
      inWalMode: head[18] === 2 && head[19] === 2,
      ...rowsIn(fd, head),
    };
  } catch {
    return undefined; // A folder, or a disk that fails.
  } finally {
    closeSync(fd);
  }
}

const MAGIC = "SQLite format 3\0";

/** Where the only row of some tables stands, in a file whose pages come from elsewhere. */
export interface RowPlaces {
  /** The pages of `service_time` and `wal_binding`; 0 where there is none. */
  readonly head: number;
  readonly binding: number;
  readonly pageBytes: number;
  readonly reserved: number;
}

/** @throws Error  as the system says it, of a file that cannot be read */
export function readPlaces(path: string): RowPlaces {
  const fd = openSync(path, "r");
  try {
    const head = Buffer.alloc(100);
    readSync(fd, head, 0, 100, 0);
    const file = fileOf(fd, head);
    const roots = new Map<Value, Value>();
    for (const [type, name, , root] of rowsOf(file, 1, 4)) if (type === "table") roots.set(name!, root!);
    const rootOf = (table: string) => Number(roots.get(table) ?? 0);
    return {
      ...{ head: rootOf("service_time"), binding: rootOf("wal_binding") },
      ...{ pageBytes: file.pageSize, reserved: file.reserved },
    };
  } finally {
    closeSync(fd);
  }
}

/** The row of `service_time` on its page; undefined when it is not there, or damaged. */
export function headOn(page: Buffer, { reserved }: RowPlaces): HeadRow | undefined {
  if (page[0] !== LEAF || page.readUInt16BE(3) !== 1) return undefined;
  try {
    return headFrom(recordAt({ pageSize: page.length, reserved }, page, page.readUInt16BE(8), HEAD_COLUMNS));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function rowsIn(fd: number, head: Buffer): Pick<FileAlone, "binding" | "head"> {
  const file = fileOf(fd, head);
  const [id, basedOn, open] = onlyRow(file, "wal_binding", 3) ?? [];
  return {
    binding: id === undefined ? undefined : ({ id, basedOn, open: open === 1 } as BindingRow),
    head: headFrom(onlyRow(file, "service_time", HEAD_COLUMNS) ?? []),
  };
}

function fileOf(fd: number, head: Buffer): File {
  const size = head.readUInt16BE(16);
  return { fd, pageSize: size === 1 ? 65_536 : size, reserved: head[20]! };
}

/** The first columns of the row in a table that has one; undefined where no such row can be read. */
function onlyRow(file: File, table: string, columns: number): Value[] | undefined {
  try {
    for (const [type, name, , root] of rowsOf(file, 1, 4)) {
      if (type !== "table" || name !== table) continue;
      for (const row of rowsOf(file, root as number, columns)) return row;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return undefined;
}

interface File {
  readonly fd: number;
  readonly pageSize: number;
  /** Bytes at the end of each page that are not SQLite's. */
  readonly reserved: number;
}

type Value = null | number | string;

/**
 * The rows of a table, each as its first columns.
 *
 * @throws RangeError  where the bytes are no such table
 */
function* rowsOf(file: File, root: number, columns: number, depth = 0): Generator<Value[]> {
  if (depth > DEPTH_MAX) throw new RangeError("expected a tree, got a loop");
  const page = Buffer.alloc(file.pageSize);
  if (root < 1 || readSync(file.fd, page, 0, file.pageSize, (root - 1) * file.pageSize) < file.pageSize) {
    throw new RangeError(`there is no page ${root}`);
  }
  const start = root === 1 ? 100 : 0;
  const leaf = page[start] === LEAF;
  if (!leaf && page[start] !== INTERIOR) throw new RangeError(`page ${root} is none of a table`);
  const cells = page.readUInt16BE(start + 3);
  for (let i = 0; i < cells; i++) {
    const at = page.readUInt16BE(start + (leaf ? 8 : 12) + 2 * i);
    if (leaf) yield recordAt(file, page, at, columns);
    else yield* rowsOf(file, page.readUInt32BE(at), columns, depth + 1);
  }
  if (!leaf) yield* rowsOf(file, page.readUInt32BE(start + 8), columns, depth + 1);
}

const LEAF = 13;
const INTERIOR = 5;
/** A tree of more levels would have more pages than a file can. */
const DEPTH_MAX = 20;

/** Of a record that is too long for its page, only the beginning stands there; its first columns do. */
function recordAt(
  { pageSize, reserved }: Pick<File, "pageSize" | "reserved">,
  page: Buffer,
  at: number,
  columns: number,
): Value[] {
  const [length, afterLength] = varintAt(page, at);
  const [, begin] = varintAt(page, afterLength);
  const usable = pageSize - reserved;
  const end = begin + (length <= usable - 35 ? length : Math.floor(((usable - 12) * 32) / 255) - 23);
  const [headLength, afterHead] = varintAt(page, begin);
  const values: Value[] = [];
  let type = afterHead;
  let value = begin + headLength;
  while (values.length < columns) {
    if (type >= begin + headLength) throw new RangeError("the record is too short");
    const [serial, afterType] = varintAt(page, type);
    const bytes = bytesOf(serial);
    if (value + bytes > end) throw new RangeError("the record ends on another page");
    values.push(valueAt(page, value, serial, bytes));
    value += bytes;
    type = afterType;
  }
  return values;
}

function bytesOf(serial: number): number {
  return serial < 12 ? SERIAL_BYTES[serial]! : (serial - 12) >> 1;
}

/** By serial type: NULL, integers of 1 to 8 bytes, a float, 0, 1; the last two are of no use. */
const SERIAL_BYTES = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0];

function valueAt(page: Buffer, at: number, serial: number, bytes: number): Value {
  if (serial === 0) return null;
  if (serial >= 12) return page.toString(serial % 2 === 1 ? "utf8" : "hex", at, at + bytes);
  if (serial >= 8) return serial - 8;
  return bytes > 6 ? Number(page.readBigInt64BE(at)) : page.readIntBE(at, bytes);
}

/** @returns  the number, and where it ends */
function varintAt(page: Buffer, at: number): [number, number] {
  let value = 0;
  for (let i = 0; i < 8; i++) {
    const byte = page.readUInt8(at + i);
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return [value, at + i + 1];
  }
  return [value * 256 + page.readUInt8(at + 8), at + 9];
}
