import type { Counter } from "../../gen/browser/tally/v1/counter_pb.ts";
import { INT64_MAX, INT64_MIN } from "../core/int64.ts";
import { formatCount } from "./numbers.ts";
import type { Question, RowProps } from "./props.ts";
import { timeText } from "./times.ts";

/** What can be done to a counter: count at once, and all else after a question. */
export function Actions({ counters, name, counter, step, asked, told }: RowProps & { counter: Counter }) {
  const busy = counters.changesOf(name).state.value.kind === "resent";
  const add = async (amount: bigint) => {
    const value = await counters.add(name, amount);
    if (value !== undefined) told.value = `${name} is now ${formatCount(value)}.`;
  };
  const ask = (question: Question) => () => {
    asked.value = question;
  };
  const by = step === undefined ? "" : ` by ${formatCount(step)}`;
  const possible = !busy && step !== undefined;
  const { monotonic, value, min = INT64_MIN, max = INT64_MAX } = counter;
  const [highest, lowest] = [value >= max, value <= min];
  const up = possible && !highest;
  const down = possible && !monotonic && !lowest;
  const until =
    counter.windowEnd === undefined ? "" : ` until ${timeText(counter.windowEnd, counter.window?.timeZone)}`;
  const notUp = highest ? `${AT_MAX}${counter.initial < max ? until : ""}` : "";
  const notDown = monotonic ? NEVER_DOWN : lowest ? `${AT_MIN}${counter.initial > min ? until : ""}` : "";
  const goesBack = !monotonic || counter.value <= counter.initial;
  return (
    <div class="actions">
      <button
        type="button"
        class="count"
        data-does="decrement"
        aria-disabled={!down}
        aria-label={`Decrement ${name}${by}${notDown && `: ${notDown}`}`}
        title={notDown ? capital(notDown) : `Decrement${by}`}
        onClick={() => down && void add(-step)}
      >
        &minus;
      </button>
      <button
        type="button"
        class="count"
        data-does="increment"
        aria-disabled={!up}
        aria-label={`Increment ${name}${by}${notUp && `: ${notUp}`}`}
        title={notUp ? capital(notUp) : `Increment${by}`}
        onClick={() => up && void add(step)}
      >
        +
      </button>
      <button
        type="button"
        class="quiet"
        data-does="history"
        aria-label={`History of ${name}`}
        onClick={ask({ kind: "history", name })}
      >
        History
      </button>
      <button
        type="button"
        class="quiet"
        data-does="set"
        aria-label={`Set ${name}`}
        onClick={ask({ kind: "set", name })}
      >
        Set
      </button>
      <button
        type="button"
        class="quiet"
        data-does="reset"
        aria-disabled={!goesBack}
        aria-label={`Reset ${name}${goesBack ? "" : `: ${NEVER_DOWN}`}`}
        title={goesBack ? `Back to ${formatCount(counter.initial)}` : capital(NEVER_DOWN)}
        onClick={() => goesBack && ask({ kind: "reset", name })()}
      >
        Reset
      </button>
      <button
        type="button"
        class="quiet"
        data-does="edit"
        aria-label={`Edit the settings of ${name}`}
        onClick={ask({ kind: "edit", counter })}
      >
        Edit
      </button>
      <button
        type="button"
        class="quiet"
        data-does="delete"
        aria-label={`Delete ${name}`}
        onClick={ask({ kind: "delete", name })}
      >
        Delete
      </button>
    </div>
  );
}

const NEVER_DOWN = "it never goes down";
const AT_MAX = "it is at its maximum";
const AT_MIN = "it is at its minimum";

function capital(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}
