import { z } from "zod";
import { grouped, parseAddress, parseDuration, parseSize } from "./quantity.ts";

/** A setting: all that help, documentation, validation and errors know about it. */
export interface Key<T> {
  /** What it is called in the file; as a flag --name, in the environment TALLY_NAME. */
  readonly name: string;
  /** Its heading in help and documentation. */
  readonly group: string;
  /** What it does: a phrase without a full stop. */
  readonly about: string;
  /** What a value must be, with its range: completes "expected ...". */
  readonly expected: string;
  /** As one would write it. */
  readonly default: string;
  /** How help names the value, "" for a switch. */
  readonly placeholder: string;
  /** From what was written (text, or what TOML has for it) to the value. */
  readonly schema: z.ZodType<T>;
  /** Whether another value takes effect on SIGHUP; of the others one is told that they need a restart. */
  readonly isReloadable?: boolean;
}

/** What kind of value a setting takes. */
export type Kind<T> = Pick<Key<T>, "expected" | "placeholder" | "schema">;

/** Where to listen. */
export function address() {
  return {
    expected: "HOST:PORT or [IPV6]:PORT, the port 0 to 65535",
    placeholder: "<host:port>",
    schema: z
      .string()
      .transform(parseAddress)
      .pipe(z.object({ host: z.string(), port: z.int() })),
  };
}

/** A file that is read, if one is named. */
export function path(): Kind<string | undefined> & { default: string } {
  return {
    expected: "a path, or nothing",
    default: "",
    placeholder: "<file>",
    schema: z
      .string()
      .refine(
        (text) => !text.includes("://"),
        "a URL stands where the path of a file or a folder is expected",
      )
      .transform((text) => (text === "" ? undefined : text)),
  };
}

/** A setting that may be left empty. */
export function optional<T>(kind: Kind<T>): Kind<T | undefined> {
  const nothing = z.literal("").transform(() => undefined);
  return { ...kind, expected: `${kind.expected}, or nothing`, schema: z.union([nothing, kind.schema]) };
}

/**
 * What stands between commas. None of it is ever a URL with a user: whose password may have a comma in it, so that none of
 * the items is repeated then.
 *
 * @param whyNot  why an item cannot be used, as a clause; undefined when it can
 */
export function listOf(whyNot: (item: string) => string | undefined) {
  return z
    .string()
    .transform((text) =>
      text
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item !== ""),
    )
    .superRefine((items, context) => {
      const message = items.some((item) => /@|%40/.test(item))
        ? "a user or a password stands in it (before an @), which nothing here has; leave that out"
        : items.map(whyNot).find((why) => why !== undefined);
      if (message !== undefined) context.addIssue({ code: "custom", message });
    });
}

/** A length of time, "250ms" or "1h", in milliseconds. */
export function duration(min: string, max: string): Kind<number> {
  return {
    expected: `a duration from ${min} to ${max}`,
    placeholder: "<duration>",
    schema: z
      .string()
      .transform(parseDuration)
      .pipe(z.int().min(parseDuration(min)!).max(parseDuration(max)!)),
  };
}

/** A number of bytes, "64MiB" or 65536. */
export function size(min: string, max: string): Kind<number> {
  return {
    expected: `a size from ${min} to ${max}`,
    placeholder: "<size>",
    schema: z
      .union([z.string().transform(parseSize), z.number()])
      .pipe(z.int().min(parseSize(min)!).max(parseSize(max)!)),
  };
}

/** A number of something. */
export function count(min: number, max: number): Kind<number> {
  return {
    expected: `a whole number from ${grouped(min)} to ${grouped(max)}`,
    placeholder: "<number>",
    schema: z
      .union([z.string().regex(/^\d+$/).transform(Number), z.number()])
      .pipe(z.int().min(min).max(max)),
  };
}

/** A part of all: 0 is none, 1 all of it. */
export function ratio(): Kind<number> {
  return {
    expected: "a number from 0 to 1, such as 0.01",
    placeholder: "<ratio>",
    schema: z
      .union([
        z
          .string()
          .regex(/^\d*\.?\d+$/)
          .transform(Number),
        z.number(),
      ])
      .pipe(z.number().min(0).max(1)),
  };
}

/**
 * How often somebody may call: calls a second, and the most that may come at once behind a colon; behind a comma the same of
 * operations. "100", "100:500", "100:500,10000:50000".
 */
export function rate() {
  const limit = (max: number) => z.int().min(1).max(max);
  return {
    expected: "CALLS[:BURST][,OPERATIONS[:BURST]], each a whole number above 0",
    placeholder: "<rate>",
    schema: z
      .string()
      .regex(/^\d{1,10}(:\d{1,10})?(,\d{1,10}(:\d{1,10})?)?$/)
      .transform((text): Numbers => {
        const [calls, operations] = text.split(",").map((part) => part.split(":").map(Number));
        const [operationsASecond, operationsBurst] = operations ?? [];
        return { calls: calls![0], callsBurst: calls![1], operations: operationsASecond, operationsBurst };
      })
      .pipe(
        z.object({
          calls: limit(1_000_000),
          callsBurst: limit(10_000_000).optional(),
          operations: limit(100_000_000).optional(),
          operationsBurst: limit(1_000_000_000).optional(),
        }),
      ),
  };
}

/** Before their ranges are judged. */
type Numbers = Partial<Record<"calls" | "callsBurst" | "operations" | "operationsBurst", number | undefined>>;

/** One of some words. */
export function oneOf<const T extends string>(placeholder: string, values: readonly T[]): Kind<T> {
  return {
    expected: `one of ${values.join(", ")}`,
    placeholder,
    schema: z.enum(values) as unknown as z.ZodType<T>,
  };
}
