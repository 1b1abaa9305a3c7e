import { type Signal, useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { Counters } from "./counters.ts";
import { countFault } from "./numbers.ts";
import { ProblemText } from "./problem-note.tsx";

/** How long a person pauses before the search follows, in milliseconds. */
const PAUSE_MS = 120;

/** Where the beginning of the names to be listed is typed. */
export function Search({ counters }: { counters: Counters }) {
  const input = useRef<HTMLInputElement>(null);
  const timer = useRef(0);
  // It may come from the address, too.
  useSignalEffect(() => {
    const prefix = counters.prefix.value;
    if (input.current !== null && input.current.value.trim() !== prefix) input.current.value = prefix;
  });
  const search = () => counters.search(input.current!.value.trim());
  const link = counters.poller.link.value;
  const problem = link.kind === "refused" ? link.problem : undefined;
  return (
    <search class="field grow">
      <label for="search">Search</label>
      <input
        id="search"
        ref={input}
        type="search"
        placeholder="Names that begin with …"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        maxLength={200}
        aria-invalid={problem !== undefined}
        aria-describedby={problem && "search-problem"}
        onInput={() => {
          clearTimeout(timer.current);
          timer.current = window.setTimeout(search, PAUSE_MS);
        }}
        onKeyDown={({ key }) => {
          if (key === "Enter") search();
        }}
      />
      {problem && (
        <div id="search-problem" class="wrong" role="alert">
          {problem.field === "prefix" ? problem.atField : <ProblemText problem={problem} />}
        </div>
      )}
    </search>
  );
}

/** How much the buttons of the rows add and subtract. */
export function Step({ text }: { text: Signal<string> }) {
  const wrong = countFault(text.value, true);
  return (
    <div class="field step">
      <label for="step">Step</label>
      <input
        id="step"
        class="amount"
        inputMode="numeric"
        autocomplete="off"
        value={text.value}
        aria-invalid={wrong !== undefined}
        aria-describedby={wrong && "step-problem"}
        onInput={({ currentTarget }) => {
          text.value = currentTarget.value;
        }}
      />
      {wrong && (
        <p id="step-problem" class="wrong" role="alert">
          {wrong}
        </p>
      )}
    </div>
  );
}
