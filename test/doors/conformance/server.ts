/** The product's doors, over a store in memory, with the services of both suites. */
import { v7 } from "uuid";
import { DEFAULT_RETENTION } from "../../../src/service/store.ts";
import { Writer } from "../../../src/service/writer.ts";
import { MemoryStore } from "../../../src/stores/memory/store.ts";
import { ZoneCalendar } from "../../../src/stores/shared/calendar.ts";
import { SYSTEM_CLOCK } from "../../../src/system-clock.ts";
import { type Log, NO_TELEMETRY } from "../../../src/telemetry.ts";
import { type Doors, type Http2EngineName, openDoors } from "../../../src/transports/doors.ts";
import { Certificate } from "../../../src/transports/tls/certificate.ts";
import type { CertificateFiles } from "../../../src/transports/tls/pair.ts";
import { conformanceService } from "./conformance-service.ts";
import { testService } from "./test-service.ts";

/** What there may be no more of than a suite says. */
export interface SuiteOptions {
  /** The largest message of the ConformanceService, in bytes. */
  readonly bytesMax: number;
  /** Over TLS, with this certificate, which is read once. */
  readonly tls?: CertificateFiles;
  /** gRPC has a port of its own. */
  readonly grpcApart?: boolean;
  /** Told what the doors log: defects, and connections that end badly. */
  readonly log: Log;
}

/** Serve both on a free port of 127.0.0.1. */
export async function openSuiteServer(
  http2Engine: Http2EngineName,
  { bytesMax, tls, grpcApart = false, log }: SuiteOptions,
): Promise<Doors> {
  const clock = SYSTEM_CLOCK;
  const certificate = tls && (await Certificate.open(tls, { clock, log, checkEveryMs: 3_600_000 }));
  const store = new MemoryStore({
    clock,
    newUid: () => v7(),
    retention: DEFAULT_RETENTION,
    history: undefined,
    cachedCountersMax: 1_000,
    warn: () => {},
  });
  const services = [conformanceService(bytesMax), testService()];
  const doors = await openDoors({
    listen: LISTEN,
    ...(grpcApart && { grpcListen: LISTEN }),
    http2Engine,
    certificate,
    store,
    writer: new Writer(store, clock),
    clock,
    calendar: new ZoneCalendar(() => {}),
    telemetry: { ...NO_TELEMETRY, log },
    unaryCalls: services.flatMap(({ unaryCalls }) => unaryCalls),
    streamCalls: services.flatMap(({ streamCalls }) => streamCalls),
  });
  doors.setServing(true);
  return doors;
}

const LISTEN = { host: "127.0.0.1", port: 0 };
