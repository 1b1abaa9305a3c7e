import type { ComponentChildren } from "preact";
import type { Problem } from "./problem.ts";

/** What went wrong, what to do, and what it is called. */
export function ProblemText({ problem }: { problem: Problem }) {
  const { message, advice, reason, notApplied } = problem;
  return (
    <p class="problem-text">
      <strong>{message}</strong>{" "}
      {!notApplied && !/may or may not/.test(message) && "It may or may not have been done. "}
      {advice} <code class="name">{reason}</code>
    </p>
  );
}

/** A problem where it arose, announced at once. */
export function ProblemNote({ problem, children }: { problem: Problem; children?: ComponentChildren }) {
  return (
    <div class="note problem" role="alert">
      <ProblemText problem={problem} />
      {children}
    </div>
  );
}

/** A change whose answer was lost is on its way again. */
export function Resending({ problem, stop }: { problem: Problem; stop: () => void }) {
  return (
    <div class="note away" role="status">
      <p class="problem-text">
        <strong>{problem.message}</strong> Sending this change again until there is an answer; it counts once.{" "}
        <code class="name">{problem.reason}</code>
      </p>
      <button type="button" onClick={stop}>
        Stop
      </button>
    </div>
  );
}
