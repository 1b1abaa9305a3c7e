import { createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { render } from "preact";
import { v7 } from "uuid";
import { CounterService } from "../../gen/browser/tally/v1/counter_service_pb.ts";
import { keepAddress } from "./address.ts";
import { Caller, tabStorage } from "./caller.ts";
import { Counters } from "./counters.ts";
import { prepareSoon } from "./later.tsx";
import { PageView } from "./page.tsx";
import "./style.css";

/** What is known of a server before it is asked. */
export interface Known {
  /** Where it is, with a / at its end. */
  readonly baseUrl: string;
  /** False: it asks nobody who they are. */
  readonly asksWhoCalls: boolean;
}

/**
 * Show the counters of a server, and keep up with them.
 *
 * @param connect  makes a transport to it
 */
export function openConsole(
  root: Element,
  { baseUrl, asksWhoCalls }: Known,
  connect: (interceptors: Interceptor[]) => Transport,
): void {
  const caller = new Caller(tabStorage());
  const transport = connect([caller.interceptor]);
  void caller.open(transport, baseUrl, asksWhoCalls);
  const counters = new Counters({
    client: createClient(CounterService, transport),
    newRequestId: () => v7(),
    pageSize: 50,
    everyMs: 2_000,
    attemptMs: 5_000,
    pauseMs: { first: 500, last: 8_000 },
    awayMs: { first: 1_000, last: 15_000 },
  });
  keepAddress(counters);
  const look = () => {
    counters.poller.visible = document.visibilityState === "visible";
  };
  document.addEventListener("visibilitychange", look);
  look();
  render(<PageView counters={counters} caller={caller} transport={transport} />, root);
  setTimeout(prepareSoon); // Behind the first view, which it is not to delay.
}
