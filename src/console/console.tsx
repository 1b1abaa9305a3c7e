import type { Transport } from "@connectrpc/connect";
import { render } from "preact";
import { v7 } from "uuid";
import { keepAddress } from "./address.ts";
import { type CounterClient, Counters } from "./counters.ts";
import { PageView } from "./page.tsx";
import "./style.css";

/**
 * Show the counters of a server, and keep up with them.
 *
 * @param transport  to the same server, for what is loaded later
 */
export function openConsole(root: Element, client: CounterClient, transport: Transport): void {
  const counters = new Counters({
    client,
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
  render(<PageView counters={counters} transport={transport} />, root);
}
