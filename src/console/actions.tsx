import type { Counter } from "../../gen/browser/tally/v1/counter_pb.ts";
import { formatCount } from "./numbers.ts";
import type { Asked } from "./page.tsx";
import type { RowProps } from "./row.tsx";

/** What can be done to a counter: count at once, and all else after a question. */
export function Actions({ counters, name, counter, step, asked, told }: RowProps & { counter: Counter }) {
  const busy = counters.changesOf(name).state.value.kind === "resent";
  const add = async (amount: bigint) => {
    const value = await counters.add(name, amount);
    if (value !== undefined) told.value = `${name} is now ${formatCount(value)}.`;
  };
  const ask = (question: Asked) => () => {
    asked.value = question;
  };
  const by = step === undefined ? "" : ` by ${formatCount(step)}`;
  const possible = !busy && step !== undefined;
  const { monotonic } = counter;
  const down = possible && !monotonic;
  const goesBack = !monotonic || counter.value <= counter.initial;
  return (
    <div class="actions">
      <button
        type="button"
        class="count"
        data-does="decrement"
        aria-disabled={!down}
        aria-label={`Decrement ${name}${by}${monotonic ? NEVER_DOWN : ""}`}
        title={monotonic ? "It never goes down" : `Decrement${by}`}
        onClick={() => down && void add(-step)}
      >
        &minus;
      </button>
      <button
        type="button"
        class="count"
        data-does="increment"
        aria-disabled={!possible}
        aria-label={`Increment ${name}${by}`}
        title={`Increment${by}`}
        onClick={() => possible && void add(step)}
      >
        +
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
        aria-label={`Reset ${name}${goesBack ? "" : NEVER_DOWN}`}
        title={goesBack ? `Back to ${formatCount(counter.initial)}` : "It never goes down"}
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

const NEVER_DOWN = ": it never goes down";
