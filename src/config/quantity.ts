/** Durations and sizes as people write them: "1h30m", "8GiB". */

/** A duration in milliseconds; undefined if the text is none. Needs a unit: "10" could be anything. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(number) * MS[unit as keyof typeof MS];
  }
  return Math.round(total);
}

/** The reverse of parseDuration, for whole milliseconds: "1h30m", "250ms", "0s". */
export function formatDuration(ms: number): string {
  let left = ms;
  const parts = (["d", "h", "m", "s", "ms"] as const).map((unit) => {
    const count = Math.floor(left / MS[unit]);
    left -= count * MS[unit];
    return count === 0 ? "" : `${count}${unit}`;
  });
  return parts.join("") || "0s";
}

/** A size in bytes; undefined if the text is none. A number alone is bytes. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)?$/i.exec(text);
  if (match === null) return undefined;
  const unit = (match[2] ?? "B").toLowerCase() as keyof typeof BYTES;
  return Math.round(Number(match[1]) * BYTES[unit]);
}

const MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const BYTES = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
} as const;

/** Where to listen. */
export interface Address {
  /** A name or an IP address; an IPv6 address without its brackets. */
  readonly host: string;
  /** 0 to 65535; 0 takes a free port. */
  readonly port: number;
}

/** HOST:PORT, an IPv6 host in brackets; undefined if the text is none. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+)):(\d{1,5})$/i.exec(text);
  if (match === null || Number(match[3]) > 65_535) return undefined;
  return { host: (match[1] ?? match[2])!, port: Number(match[3]) };
}

/** The reverse of parseAddress. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** 1000000 as "1,000,000". By hand: what toLocaleString loads for it is much of what a command has to load at its start. */
export function grouped(number: number): string {
  return `${number}`.replace(/\B(?=(\d{3})+$)/g, ",");
}
