import type { Counter } from "../../gen/browser/tally/v1/counter_pb.ts";
import { INT64_MAX, INT64_MIN } from "../core/int64.ts";
import { type Needed, whyNot } from "./may.ts";
import { formatCount } from "./numbers.ts";
import type { RowProps } from "./props.ts";
import { timeText } from "./times.ts";

/** What can be done to a counter: count at once, and all else after a question. */
export function Actions({
  counters,
  grants,
  name,
  counter,
  step,
  asked,
  told,
}: RowProps & { counter: Counter }) {
  const busy = counters.changesOf(name).state.value.kind === "resent";
  const add = async (amount: bigint) => {
    const value = await counters.add(name, amount);
    if (value !== undefined) told.value = `${name} is now ${formatCount(value)}.`;
  };
  const denied = (needed: Needed) => whyNot(grants, needed, name);
  const by = step === undefined ? "" : ` by ${formatCount(step)}`;
  const possible = !busy && step !== undefined;
  const { monotonic, value, min = INT64_MIN, max = INT64_MAX } = counter;
  const [highest, lowest] = [value >= max, value <= min];
  const until =
    counter.windowEnd === undefined ? "" : ` until ${timeText(counter.windowEnd, counter.window?.timeZone)}`;
  const notUp =
    denied("increment") ||
    (highest ? `${max === INT64_MAX ? AT_HIGHEST : AT_MAX}${counter.initial < max ? until : ""}` : "");
  const notDown =
    denied("decrement") ||
    (monotonic
      ? NEVER_DOWN
      : lowest
        ? `${min === INT64_MIN ? AT_LOWEST : AT_MIN}${counter.initial > min ? until : ""}`
        : "");
  const up = possible && notUp === "";
  const down = possible && notDown === "";
  const notBack = denied("set") || (!monotonic || counter.value <= counter.initial ? "" : NEVER_DOWN);
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
      <Asking
        does="history"
        text="History"
        about={`History of ${name}`}
        not={denied("read")}
        ask={() => (asked.value = { kind: "history", name })}
      />
      <Asking
        does="set"
        text="Set"
        about={`Set ${name}`}
        not={denied("set")}
        ask={() => (asked.value = { kind: "set", name })}
      />
      <Asking
        does="reset"
        text="Reset"
        about={`Reset ${name}`}
        title={`Back to ${formatCount(counter.initial)}`}
        not={notBack}
        ask={() => (asked.value = { kind: "reset", name })}
      />
      <Asking
        does="edit"
        text="Edit"
        about={`Edit the settings of ${name}`}
        not={denied("manage")}
        ask={() => (asked.value = { kind: "edit", counter })}
      />
      <Asking
        does="delete"
        text="Delete"
        about={`Delete ${name}`}
        not={denied("manage")}
        ask={() => (asked.value = { kind: "delete", name })}
      />
    </div>
  );
}

interface AskingProps {
  readonly does: string;
  readonly text: string;
  /** What a screen reader says. */
  readonly about: string;
  readonly title?: string;
  /** Why it cannot be done, as a clause; "" when it can. */
  readonly not: string;
  readonly ask: () => void;
}

/** A button that asks a question before anything is done. */
function Asking({ does, text, about, title, not, ask }: AskingProps) {
  return (
    <button
      type="button"
      class="quiet"
      data-does={does}
      aria-disabled={not !== ""}
      aria-label={not === "" ? about : `${about}: ${not}`}
      title={not === "" ? title : capital(not)}
      onClick={() => not === "" && ask()}
    >
      {text}
    </button>
  );
}

const NEVER_DOWN = "it never goes down";
const AT_MAX = "it is at its maximum";
const AT_MIN = "it is at its minimum";
/** Of a counter that nobody has given such a bound, or that very one. */
const AT_HIGHEST = "it is at the highest value there is";
const AT_LOWEST = "it is at the lowest value there is";

/** A clause as a sentence begins. */
export function capital(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}
