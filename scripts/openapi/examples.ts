/**
 * One call of each method and what it is answered: a story, in the order of the document. A test sends them all to a
 * new server, one after the other, and compares.
 */
export interface Example {
  /** Fields in the path and the query. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly body?: Json;
  /** Of a method that streams each line. */
  readonly answer: Json | readonly Json[];
}

type Json = Readonly<Record<string, unknown>>;

const UID = "0199d3a7-5f0e-7c3b-8a43-2f6d1f0f8a51";
const TIME = "2026-01-01T12:00:00.123Z";

/** How many changes and changes of settings a counter has had. */
interface Moment {
  readonly value: number;
  readonly revision: number;
  readonly settingsRevision?: number;
  readonly min?: string;
}

function seats({ value, revision, settingsRevision = 1, min }: Moment): Json {
  return {
    name: "seats",
    value: `${value}`,
    uid: UID,
    revision: `${revision}`,
    etag: `${UID}.${revision}`,
    createTime: TIME,
    updateTime: TIME,
    initial: "10",
    ...(min !== undefined && { min }),
    max: "10",
    onBound: "ON_BOUND_REJECT",
    monotonic: false,
    history: true,
    labels: { venue: "main" },
    description: "Seats that are still free.",
    settingsRevision: `${settingsRevision}`,
    settingsEtag: `${UID}.s${settingsRevision}`,
  };
}

/** A policy: a hundred a day. */
const MAILS: Json = {
  prefix: "mails:",
  settings: {
    initial: "0",
    max: "100",
    onBound: "ON_BOUND_REJECT",
    monotonic: false,
    labels: {},
    description: "",
    window: { calendar: "CALENDAR_UNIT_DAY", timeZone: "Europe/Berlin" },
    idleTtl: "172800s",
    history: true,
  },
  enforcement: "ENFORCEMENT_ENFORCE",
  etag: "p1",
};

function mails(remaining: number): Json {
  return {
    name: "mails:ada",
    allowed: true,
    max: "5",
    remaining: `${remaining}`,
    quota: "5",
    period: "86400s",
    resetTime: TIME,
    moreAfter: "86400s",
    windowStart: TIME,
    over: false,
  };
}

function progress(done: number, lastName: string): Json {
  const skipped = { skipped: "0", skippedByReason: {}, skippedCounters: [] };
  return {
    result: { progress: { lookedAt: `${done}`, done: `${done}`, ...skipped, lastName, complete: true } },
  };
}

function outcome(value: number, previous: number, revision: number): Json {
  return {
    outcome: {
      name: "seats",
      value: `${value}`,
      previous: `${previous}`,
      revision: `${revision}`,
      etag: `${UID}.${revision}`,
      time: TIME,
      headroomUp: `${10 - value}`,
      headroomDown: `${value}`,
      replayed: false,
    },
  };
}

/** A step in which it was made, and which is not over. */
function point(moved: Json): Json {
  return { start: TIME, end: TIME, open: "0", ...moved, rolled: "0", inProgress: true, gap: false };
}

/** A change that somebody made by name. */
function noted({ kind, ...change }: Json): Json {
  return {
    kind: `CHANGE_KIND_${kind}`,
    time: TIME,
    uid: UID,
    ...{ added: "0", removed: "0", caller: "", note: "" },
    ...change,
  };
}

/** A principal, before and after it was given more. */
function shop(grants: readonly string[], version: number): Json {
  const rate = { calls: 100 };
  return {
    ...{ name: "shop", description: "The shop's own service.", grants, rate, disabled: false },
    ...{ createTime: TIME, etag: `a${version}` },
  };
}
const GRANTS = ["increment,create@shop."];
const MORE = ["read,increment,create@shop."];

/** Its key: one that nobody has. */
const KEY_ID = "111111111111";
const KEY: Json = { id: KEY_ID, principal: "shop", description: "in the cluster", createTime: TIME };
const USED_KEY: Json = { ...KEY, lastUseTime: "2026-01-01T12:00:00Z" };
const CERTIFICATE = "spiffe://example.org/shop";
const BINDING: Json = { principal: "shop", certificate: CERTIFICATE, createTime: TIME };

export const EXAMPLES: Readonly<Record<string, Example>> = {
  CreateCounter: {
    body: {
      name: "seats",
      initial: "10",
      max: "10",
      labels: { venue: "main" },
      description: "Seats that are still free.",
    },
    answer: { counter: seats({ value: 10, revision: 1 }), replayed: false },
  },
  GetCounter: {
    parameters: { name: "seats" },
    answer: { counter: seats({ value: 10, revision: 1 }) },
  },
  BatchGetCounters: {
    body: { names: ["seats", "chairs"] },
    answer: {
      results: [
        { name: "seats", counter: seats({ value: 10, revision: 1 }) },
        {
          name: "chairs",
          refusal: {
            code: "NOT_FOUND",
            reason: "COUNTER_NOT_FOUND",
            message: "No counter has this name; create it first, or increment or set it without must_exist.",
            metadata: {},
          },
        },
      ],
    },
  },
  ListCounters: {
    parameters: { prefix: "sea", labels: { "labels.venue": "main" }, pageSize: 20 },
    answer: { counters: [seats({ value: 10, revision: 1 })], nextPageToken: "", corruptNames: [] },
  },
  TopCounters: {
    parameters: { n: 3 },
    answer: { counters: [seats({ value: 10, revision: 1 })] },
  },
  SumCounters: {
    parameters: { prefix: "sea" },
    answer: { count: "1", sum: "10", lowest: "10", highest: "10" },
  },
  UpdateCounter: {
    parameters: { name: "seats" },
    body: { min: "0" },
    answer: { counter: seats({ value: 10, revision: 1, settingsRevision: 2, min: "0" }), replayed: false },
  },
  Decrement: {
    parameters: { name: "seats" },
    body: { amount: "2", requestId: "order-17" },
    answer: outcome(8, 10, 2),
  },
  Increment: {
    parameters: { name: "seats" },
    body: { amount: "1", requestId: "return-4" },
    answer: outcome(9, 8, 3),
  },
  Set: {
    parameters: { name: "seats" },
    body: { value: "4", note: "counted by hand" },
    answer: outcome(4, 9, 4),
  },
  Reset: {
    parameters: { name: "seats" },
    body: {},
    answer: outcome(10, 4, 5),
  },
  BatchApply: {
    body: {
      operations: [
        { name: "seats", decrement: "3" },
        { name: "seats", decrement: "9" },
        { name: "sold", increment: "3" },
      ],
      requestId: "order-18",
    },
    answer: {
      outcomes: [
        { name: "seats", value: "7", previous: "10", revision: "6" },
        {
          name: "seats",
          refusal: {
            code: "OUT_OF_RANGE",
            reason: "BELOW_MIN",
            message: "7 - 9 is below the minimum 0; the value stays 7.",
            metadata: { value: "7", min: "0", requested: "9" },
          },
        },
        { name: "sold", value: "3", previous: "0", revision: "1" },
      ],
      time: TIME,
      replayed: false,
    },
  },
  QueryHistory: {
    parameters: { name: "seats", every: "3600s", timeZone: "Europe/Berlin" },
    answer: {
      points: [point({ close: "7", low: "4", high: "10", added: "17", removed: "10", changes: "6" })],
      completeTime: TIME,
      counters: [{ uid: UID, start: TIME }],
    },
  },
  QueryHistory2: {
    parameters: { prefix: "s", calendar: "CALENDAR_UNIT_DAY", fill: "HISTORY_FILL_NONE" },
    answer: {
      points: [point({ close: "10", added: "20", removed: "10", changes: "7" })],
      completeTime: TIME,
      counters: [],
    },
  },
  ListChanges: {
    parameters: { name: "seats" },
    answer: {
      changes: [
        noted({ kind: "RESET", value: "10", added: "6", revision: "5" }),
        noted({ kind: "SET", value: "4", removed: "5", revision: "4", note: "counted by hand" }),
        noted({ kind: "SETTINGS", value: "10", revision: "1" }),
        noted({ kind: "CREATE", value: "10", added: "10", revision: "1" }),
      ],
      nextPageToken: "",
    },
  },
  TakeLimit: {
    parameters: { name: "mails:ada" },
    body: {
      amount: "2",
      requestId: "mail-17",
      ifMissing: { max: "5", window: { calendar: "CALENDAR_UNIT_DAY", timeZone: "UTC" } },
    },
    answer: { allowed: true, status: mails(3), replayed: false },
  },
  TakeLimits: {
    body: { takes: [{ name: "mails:ada" }, { name: "mails:ada", amount: "2" }], requestId: "mail-18" },
    answer: { allowed: true, statuses: [mails(0), mails(0)], replayed: false },
  },
  GiveBackLimit: {
    parameters: { name: "mails:ada" },
    body: { amount: "1", requestId: "mail-18-bounced" },
    answer: { givenBack: "1", status: mails(1), replayed: false },
  },
  SetPolicy: {
    body: {
      prefix: "mails:",
      settings: { max: "100", window: { calendar: "CALENDAR_UNIT_DAY", timeZone: "Europe/Berlin" } },
    },
    answer: { policy: MAILS },
  },
  GetPolicy: {
    parameters: { prefix: "mails:" },
    answer: { policy: MAILS, applied: "0", remaining: "0" },
  },
  ListPolicies: {
    parameters: { prefix: "ma" },
    answer: { policies: [MAILS], nextPageToken: "" },
  },
  DeletePolicy: { parameters: { prefix: "mails:" }, answer: {} },
  DeleteCounter: {
    parameters: { name: "seats", note: "sold out" },
    answer: { name: "seats", uid: UID, value: "7", revision: "6", time: TIME, replayed: false },
  },
  SimpleIncrement: {
    parameters: { name: "page-views" },
    body: {},
    answer: { name: "page-views", value: 1 },
  },
  SimpleDecrement: {
    parameters: { name: "page-views" },
    body: { amount: "3" },
    answer: { name: "page-views", value: -2 },
  },
  SimpleGet: { parameters: { name: "page-views" }, answer: { name: "page-views", value: -2 } },
  SimplePut: {
    parameters: { name: "page-views" },
    body: { value: 7 },
    answer: { name: "page-views", value: 7 },
  },
  ResetCounters: { body: { prefix: "page-", dryRun: true }, answer: [progress(1, "page-views")] },
  DeleteCounters: {
    body: { prefix: "page-", note: "the pages are gone" },
    answer: [progress(1, "page-views")],
  },
  Verify: {
    body: {},
    answer: [
      { result: { progress: { part: "", rows: "0" }, findings: [] } },
      {
        result: {
          findings: [
            {
              code: "VALUE_UNACCOUNTED",
              name: "page-views",
              about: "it has the value 70 at revision 1, and its changes lead to 5 at revision 1",
              mend: "ACCEPT",
            },
          ],
        },
      },
      {
        result: {
          findings: [],
          verification: {
            ...{ store: "SQLite /var/lib/tally/tally.db", counters: "12", sum: "4711", commits: "90" },
            ...{ requestIds: "88", historyRows: "240", findings: "1" },
          },
        },
      },
    ],
  },
  CreatePrincipal: {
    body: { name: "shop", description: "The shop's own service.", grants: GRANTS, rate: { calls: 100 } },
    answer: { principal: shop(GRANTS, 1) },
  },
  GetPrincipal: { parameters: { name: "shop" }, answer: { principal: shop(GRANTS, 1) } },
  ListPrincipals: {
    parameters: { pageSize: 10 },
    answer: { principals: [shop(GRANTS, 1)], nextPageToken: "" },
  },
  UpdatePrincipal: {
    parameters: { name: "shop" },
    body: { principal: { grants: MORE }, updateMask: "grants", etag: "a1" },
    answer: { principal: shop(MORE, 2) },
  },
  CreateApiKey: {
    parameters: { principal: "shop" },
    body: { description: "in the cluster" },
    answer: { apiKey: KEY, key: `tally_${KEY_ID}_${"0".repeat(43)}_000000` },
  },
  ListApiKeys: {
    parameters: { principal: "shop" },
    answer: { apiKeys: [USED_KEY] },
  },
  CreateBinding: {
    body: { principal: "shop", certificate: CERTIFICATE },
    answer: { binding: BINDING },
  },
  ListBindings: { parameters: { principal: "shop" }, answer: { bindings: [BINDING] } },
  CheckAccess: {
    parameters: { principal: "shop", permission: "PERMISSION_INCREMENT", name: "shop.visits" },
    answer: { allowed: true, grant: MORE[0] },
  },
  WhoAmI: { answer: { name: "root", grants: ["all@"], credential: "root", keyId: "" } },
  ListDenied: { parameters: { max: 10 }, answer: { denied: [] } },
  GetServerInfo: {
    answer: {
      version: "0.1.0",
      nodeVersion: "v24.22.3",
      startTime: TIME,
      store: "SQLite 3.54.1, /var/lib/tally/tally.db",
      promise: "Every answered change is on disk (fsync) before its answer leaves.",
      durability: "fsync",
      auth: "required",
      limits: { "queue-wait-max": "250ms", "request-ids-keep": "1d" },
      warnings: ["Changes are not taken: the disk is full."],
      instance: "db1:4711",
      counters: "120000",
      storeBytes: "52428800",
      roomBytes: "1048575",
      lastMinute: { seconds: 60, calls: "48750", refusedCalls: "135", operations: "48615", commits: "5790" },
      threads: [
        { name: "main", busyPercent: 25, heapBytes: "41943040" },
        { name: "write", busyPercent: 12, heapBytes: "16777216" },
      ],
    },
  },
  DeleteBinding: { body: { certificate: CERTIFICATE }, answer: {} },
  RevokeApiKey: {
    parameters: { id: KEY_ID },
    body: {},
    answer: { apiKey: { ...USED_KEY, revokeTime: TIME } },
  },
  DeletePrincipal: { parameters: { name: "shop" }, answer: {} },
};
