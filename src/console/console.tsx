import { render } from "preact";
import { v7 } from "uuid";
import { type CounterClient, Counters } from "./counters.ts";
import { PageView } from "./page.tsx";
import "./style.css";

/** Show the counters of a server, and keep up with them. */
export function openConsole(root: Element, client: CounterClient): void {
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
  render(<PageView counters={counters} />, root);
}

/** The address says what is searched for, so that it can be kept and sent to others. */
function keepAddress(counters: Counters): void {
  const searched = () => new URL(location.href).searchParams.get("prefix") ?? "";
  counters.search(searched());
  window.addEventListener("popstate", () => counters.search(searched()));
  counters.prefix.subscribe((prefix) => {
    if (prefix === searched()) return;
    const url = new URL(location.href);
    if (prefix === "") url.searchParams.delete("prefix");
    else url.searchParams.set("prefix", prefix);
    history.replaceState(null, "", url);
  });
}
