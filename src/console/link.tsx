import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Caller } from "./caller.ts";
import type { Counters } from "./counters.ts";
import type { Poller } from "./poller.ts";
import { isForTheKey } from "./problem.ts";
import { ProblemNote } from "./problem-note.tsx";

/** Whether what is on the page is what the server has. */
export function LinkView({ poller }: { poller: Poller }) {
  const { kind } = poller.link.value;
  const [text, look] = LOOKS[kind];
  return (
    <p class={`link ${look}`} role="status">
      {text}
    </p>
  );
}

const LOOKS = {
  opening: ["Connecting", "opening"],
  live: ["Live", "live"],
  refused: ["Live", "live"],
  barred: ["Not allowed", "away"],
  away: ["Not connected", "away"],
} as const;

/** The server lets this page do nothing, and why. */
export function BarredNote({ counters, caller }: { counters: Counters; caller: Caller }) {
  const link = counters.poller.link.value;
  if (link.kind !== "barred") return null;
  return (
    <ProblemNote problem={link.problem}>
      {isForTheKey(link.problem) && (
        <button type="button" onClick={() => caller.ask()}>
          Use a key
        </button>
      )}
    </ProblemNote>
  );
}

/** The server is away: since when, and when it is asked again. */
export function AwayNote({ counters }: { counters: Counters }) {
  const link = counters.poller.link.value;
  if (link.kind !== "away") return null;
  const asOf = counters.page.value?.asOf;
  return (
    <section class="note away" aria-label="Connection">
      <p class="problem-text">
        <strong>{link.problem.message}</strong>{" "}
        {asOf === undefined
          ? link.problem.advice
          : `Values are as of ${new Date(asOf).toLocaleTimeString()}.`}{" "}
        <Countdown to={link.retryAt} />
      </p>
      <button type="button" onClick={() => counters.poller.askNow()}>
        Try now
      </button>
    </section>
  );
}

/** Not for screen readers, which would read every second of it. */
function Countdown({ to }: { to: number }) {
  const now = useSignal(performance.now());
  useEffect(() => {
    now.value = performance.now();
    const timer = setInterval(() => {
      now.value = performance.now();
    }, 250);
    return () => clearInterval(timer);
  }, [to, now]);
  const seconds = Math.max(0, Math.ceil((to - now.value) / 1000));
  return <span aria-hidden="true">{seconds === 0 ? "Trying …" : `Trying again in ${seconds} s.`}</span>;
}
