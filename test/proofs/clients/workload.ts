import type { How } from "../../doors/clients/client.ts";
import type { Random } from "../crash/random.ts";

/** A call to make. */
export interface Planned {
  readonly kind: Kind;
  readonly method: string;
  readonly request: object;
  readonly how: How;
  /** The refusal that it has to get; undefined: an answer, or nothing where its caller gives up. */
  readonly refused?: { readonly status: string; readonly reason: string; readonly metadata: Metadata };
  /** Of a change: its additions by their place in it, and what makes a retry safe. */
  readonly adds?: readonly { readonly name: string; readonly amount: bigint }[];
  readonly requestId?: string;
}

type Metadata = Readonly<Record<string, string>>;

/** What a call is about, and how many of 10,000 are. The rest are plain additions. */
const SHARES = {
  /** Additions by a request id in metadata, among other metadata that is large. */
  metadata: 1500,
  /** Additions whose time may run out. */
  deadline: 700,
  /** Additions that are given up. */
  cancel: 700,
  refusal: 1200,
  read: 900,
  /** Batches of 4 MB, some of them too large. */
  large: 20,
};

export type Kind = "add" | keyof typeof SHARES;

/** Counters that a client adds to; nobody else does. */
const COUNTERS = 16;
/** For calls that are to be answered, whatever else the machine does. */
export const PATIENT_MS = 240_000;
/** Operations of a batch, each of 530 bytes as Protobuf, and its request id of 42: 7,262 bytes less than 4 MiB. */
const OPERATIONS = 7_900;
/** With so many more it is too large. */
const OPERATIONS_TOO_MANY = 20;
const TOO_LARGE = { size: `${(OPERATIONS + OPERATIONS_TOO_MANY) * 530 + 42}`, max_size: `${4 * 2 ** 20}` };

/** What there must be before the calls of a client. */
export function fullCounter(client: string) {
  return { name: `${client}/full`, value: 10n, max: 10n };
}

/** The calls of one client, in an order that the seed decides; each kind has its share, and one at least. */
export function plan(client: string, calls: number, random: Random): Planned[] {
  const planned: Planned[] = [];
  for (const [kind, share] of Object.entries(SHARES)) {
    const count = Math.max(1, Math.round((share * calls) / 10_000));
    for (let n = 0; n < count; n++) planned.push(callOf(kind as Kind, n, client, random));
  }
  while (planned.length < calls) planned.push(callOf("add", planned.length, client, random));
  for (let last = planned.length - 1; last > 0; last--) {
    const other = random.between(0, last);
    [planned[last], planned[other]] = [planned[other]!, planned[last]!];
  }
  return planned;
}

function callOf(kind: Kind, n: number, client: string, random: Random): Planned {
  switch (kind) {
    case "add":
    case "deadline":
    case "cancel":
    case "metadata":
      return addition(kind, n, client, random);
    case "refusal":
      return refusal(n, client);
    case "read": {
      const request = { name: `${client}/full` };
      return { kind, method: "GetCounter", request, how: { timeoutMs: PATIENT_MS } };
    }
    case "large":
      return large(n, client, random);
  }
}

function addition(kind: Kind, n: number, client: string, random: Random): Planned {
  const name = `${client}/${random.between(0, COUNTERS - 1)}`;
  const amount = BigInt(random.between(1, 1_000));
  const requestId = `${client}-${kind}-${n}`;
  const request = { name, amount: `${amount}` };
  const common = { kind, method: "Increment", adds: [{ name, amount }], requestId };
  const timeoutMs = kind === "deadline" ? random.between(1, 12) : PATIENT_MS;
  if (kind !== "metadata") {
    const cancel = kind === "cancel" && { cancelAfterMs: random.between(0, 6) };
    return { ...common, request: { ...request, requestId }, how: { timeoutMs, ...cancel } };
  }
  // Within the 16 KiB that a server takes; new and old values, so that tables of header fields are filled and replaced.
  const fields = Array.from({ length: random.between(1, 40) }, (_, i) => [
    `x-field-${i}`,
    `${random.between(0, 3)}`.repeat(random.between(1, 200)),
  ]);
  const metadata = { ...Object.fromEntries(fields), "idempotency-key": requestId };
  return { ...common, request, how: { timeoutMs, metadata } };
}

/** Errors of several codes, each with all of its details. */
function refusal(n: number, client: string): Planned {
  const [full, absent] = [`${client}/full`, `${client}/absent`];
  const refusals: readonly [string, object, string, string, Metadata, Metadata?][] = [
    [
      "Increment",
      { name: full, amount: "3" },
      "OUT_OF_RANGE",
      "ABOVE_MAX",
      { name: full, value: "10", max: "10", requested: "3" },
    ],
    ["GetCounter", { name: absent }, "NOT_FOUND", "COUNTER_NOT_FOUND", { name: absent }],
    ["Increment", { name: "" }, "INVALID_ARGUMENT", "INVALID_FIELD", { field: "name" }],
    ["CreateCounter", { name: full }, "ALREADY_EXISTS", "COUNTER_EXISTS", { name: full }],
    [
      "Set",
      { name: "x", value: "1", note: "n".repeat(65_536) },
      "RESOURCE_EXHAUSTED",
      "MESSAGE_TOO_LARGE",
      { size: "65545", max_size: "65536" },
    ],
    // A condition in metadata, which the method does not take.
    [
      "Increment",
      { name: full },
      "INVALID_ARGUMENT",
      "INVALID_FIELD",
      { field: "If-None-Match" },
      { "if-none-match": "*" },
    ],
  ];
  const [method, request, status, reason, metadata, sent] = refusals[n % refusals.length]!;
  return {
    kind: "refusal",
    method,
    request,
    how: { timeoutMs: PATIENT_MS, ...(sent && { metadata: sent }) },
    refused: { status, reason, metadata },
  };
}

/** A batch just within the largest message that is taken; each fifth is beyond it by a few bytes. */
function large(n: number, client: string, random: Random): Planned {
  const tooLarge = n % 5 === 4;
  const adds = Array.from({ length: OPERATIONS + (tooLarge ? OPERATIONS_TOO_MANY : 0) }, (_, i) => ({
    name: `${client}/batch-${i % COUNTERS}`.padEnd(190, "-"),
    amount: BigInt(random.between(1, 100)),
  }));
  const requestId = `${client}-large-${n}`.padEnd(40, "-");
  const operations = adds.map(({ name, amount }) => ({
    name,
    increment: `${amount}`,
    ifMissing: { description: "d".repeat(325) },
  }));
  return {
    kind: "large",
    method: "BatchApply",
    request: { operations, requestId },
    how: { timeoutMs: PATIENT_MS },
    ...(tooLarge
      ? { refused: { status: "RESOURCE_EXHAUSTED", reason: "MESSAGE_TOO_LARGE", metadata: TOO_LARGE } }
      : { adds, requestId }),
  };
}
