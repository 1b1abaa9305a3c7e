import { matchesGlob } from "node:path";
import { fileURLToPath } from "node:url";
import { configDefaults, defineConfig } from "vitest/config";
import { gherkin } from "./test/features/gherkin/plugin.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

declare module "vitest" {
  interface ProvidedContext {
    /** How long a test waits for what is to come, if it does not say. */
    readonly patienceMs: number;
  }
}

/*
 * Both only end what would never end: no promise is judged by them, and a busy machine takes ten times as long as an idle one.
 */
const PATIENCE_MS = 60_000;
const TEST_MS = 4 * PATIENCE_MS;

/**
 * Tests that stand apart, by the mode that runs them (`vitest run --mode cli`), so that `npm test` takes less than two
 * minutes on two cores. They start a process for nearly every test, a browser or a PostgreSQL, or wait for failing disks
 * or for what a connection does in time, or open hundreds of stores or doors, or put modules in the place of others.
 */
export const APART: Readonly<Record<string, string[]>> = {
  browser: [
    "test/console/{accessibility,away,counting,history,key,origins,server,time,tls}.test.ts",
    "test/doors/openapi/page.test.ts",
  ],
  connections: [
    "test/transports/{drain,early-answers,half-closed,intake,limits,overload,pipelining,stream-callers,streams,tls}.test.ts",
  ],
  cli: [
    "test/cli/**/*.test.ts",
    "test/proofs/count/proof.test.ts",
    "test/docs/{backup,bulk,history,limits,security,time,tour,tracing,warm-increment}.test.ts",
  ],
  deploy: ["test/deploy/**/*.test.ts"],
  doors: [
    "test/doors/{clients,curl,quota,tls}.test.ts",
    "test/doors/parity/*.test.ts",
    "test/doors/{envoy,proxies}/**/*.test.ts",
    "test/docs/clients.test.ts",
  ],
  faults: ["test/proofs/faults/**/*.test.ts"],
  mocks: ["test/stores/{later-setting,presented}.test.ts"],
  stores: [
    "test/stores/conformance/{moving,moving-history,postgres,sqlite}.test.ts",
    "test/proofs/crash/{copy,sweep}.test.ts",
    "test/stores/{by-hand,sqlite-files,sqlite-archive,sqlite-backup,sqlite-verify,sqlite-linked,sqlite-objections,sqlite-reads}.test.ts",
    "test/stores/{sqlite,sqlite-after-commits,sqlite-backup-process,sqlite-history,sqlite-verify-process}.test.ts",
    "test/stores/postgres/**/*.test.ts",
    "test/stores/postgres-{pgbouncer,unknown}.test.ts",
  ],
};

/** The mode in which each file has modules of its own: that of the tests which put modules in the place of others. */
export const ISOLATED = "mocks";

const GRPC_JS = "grpc-js";

/**
 * What is run once more with grpc-js under it (`vitest run --mode grpc-js`), with clients that speak HTTP/1.1 where they
 * spoke HTTP/2: all that is promised of doors.
 */
const DOORS = [
  "test/transports/**/*.test.ts",
  "test/doors/{clients,curl,tls}.test.ts",
  "test/doors/{parity,proxies}/*.test.ts",
  "test/doors/envoy/envoy.test.ts",
];

/** What of these opens no door, and so would do the same again. */
export const WITHOUT_DOOR = [
  "test/transports/{admin-fields,batch-permitted,batch-request,exchange,peer,query,requests,responses}.test.ts",
  "test/transports/{json-bounds,json-encode,json-parse,silence,trace-id,wire-writer}.test.ts",
];

/** Say of each file that was named and stands apart how it is run: Vitest says only that it found none. */
function tellWhereApart(mode: string): void {
  for (const named of process.argv.slice(2)) {
    const of = Object.keys(APART).find((each) => APART[each]!.some((files) => matchesGlob(named, files)));
    if (of !== undefined && of !== mode && mode !== GRPC_JS)
      console.error(`${named} stands apart: npx vitest run --mode ${of} ${named}`);
  }
}

export default defineConfig(({ mode }) => {
  tellWhereApart(mode);
  return {
    plugins: [gherkin(here("./test/features/run.ts"))],
    test: {
      env: mode === GRPC_JS ? { TALLY_TEST_HTTP2_ENGINE: GRPC_JS } : {},
      include: mode === GRPC_JS ? DOORS : (APART[mode] ?? ["test/**/*.test.ts", "test/features/*.feature"]),
      exclude: [
        ...configDefaults.exclude,
        "test/package/**", // Has a configuration of its own.
        ...(mode === GRPC_JS ? WITHOUT_DOOR : mode in APART ? [] : Object.values(APART).flat()),
      ],
      globalSetup: ["./test/support/postgres/setup.ts", "./test/support/bundles/setup.ts"],
      setupFiles: ["./test/support/bundles/use.ts", "./test/support/patience.ts"],
      pool: "forks",
      isolate: mode === ISOLATED, // To load anew for each file what is tested takes 0.8 s of the processor.
      maxWorkers: "100%", // By default one core stays idle, which on two is half of them.
      expect: { poll: { timeout: PATIENCE_MS } },
      provide: { patienceMs: PATIENCE_MS },
      testTimeout: TEST_MS,
      hookTimeout: TEST_MS,
      reporters: ["default", "./test/skips-reporter.ts"],
    },
  };
});
