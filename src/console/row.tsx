import { useRef } from "preact/hooks";
import { type Counter, OnBound } from "../../gen/browser/tally/v1/counter_pb.ts";
import { Actions } from "./actions.tsx";
import { formatCount } from "./numbers.ts";
import { ProblemNote, Resending } from "./problem-note.tsx";
import type { RowProps } from "./props.ts";
import { idleText, refillText, timeText, windowText } from "./times.ts";

/** A counter: its name, its value, and what can be done with it. */
export function CounterRow(props: RowProps) {
  const { name, counter, shadows } = props;
  return (
    <li class="row" data-name={name}>
      <div class="about">
        <h2>{name}</h2>
        {counter ? <Settings counter={counter} shadows={shadows.value} /> : <Damaged />}
      </div>
      {counter && <Value value={counter.value} />}
      {counter && <Actions {...props} counter={counter} />}
      <LastChange {...props} />
    </li>
  );
}

function Damaged() {
  return (
    <p class="wrong">
      Its stored row is damaged, so it is neither read nor written. Restore it from a backup.{" "}
      <code>ROW_CORRUPT</code>
    </p>
  );
}

function Settings({ counter, shadows }: { counter: Counter; shadows: ReadonlySet<string> }) {
  const { description, labels, monotonic } = counter;
  const facts = [
    boundsOf(counter),
    ...(monotonic ? ["never goes down"] : []),
    ...inTime(counter),
    policyOf(counter, shadows),
  ];
  return (
    <>
      {description !== "" && <p class="description">{description}</p>}
      <Facts facts={facts} />
      <Facts facts={times(counter)} />
      <Meter counter={counter} />
      {Object.keys(labels).length > 0 && (
        <ul class="labels" aria-label="Labels">
          {Object.entries(labels).map(([key, value]) => (
            <li key={key} class="label">
              {key}={value}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function Facts({ facts }: { facts: readonly string[] }) {
  const said = facts.filter((fact) => fact !== "").join(" · ");
  return said === "" ? null : <p class="facts">{said}</p>;
}

/** Whose settings it has, where they are not its own. */
function policyOf({ policy }: Counter, shadows: ReadonlySet<string>): string {
  if (policy === undefined) return "";
  const by = `by the policy for ${policy === "" ? "all" : policy}`;
  return shadows.has(policy) ? `${by}, which only tries its limit out` : by;
}

/** What time does to it. */
function inTime({ window, refill, idleTtl }: Counter): string[] {
  return [
    window === undefined ? "" : windowText(window),
    refill === undefined ? "" : refillText(refill),
    idleTtl === undefined ? "" : idleText(idleTtl),
  ];
}

/** And when. */
function times({ window, windowEnd, fullTime, expireTime, initial }: Counter): string[] {
  const back = `back at ${formatCount(initial)}`;
  return [
    windowEnd === undefined ? "" : `${back} from ${timeText(windowEnd, window?.timeZone)} on`,
    fullTime === undefined ? "" : `${back} at ${timeText(fullTime)}`,
    expireTime === undefined ? "" : `deleted at ${timeText(expireTime)} unless it changes`,
  ];
}

function boundsOf({ min, max, onBound }: Counter): string {
  const stops = onBound === OnBound.CLAMP ? ", stops there" : "";
  if (min !== undefined && max !== undefined) return `${formatCount(min)} to ${formatCount(max)}${stops}`;
  if (min !== undefined) return `at least ${formatCount(min)}${stops}`;
  return max === undefined ? "" : `at most ${formatCount(max)}${stops}`;
}

/** How far between its bounds it is; what screen readers read are the numbers. */
function Meter({ counter: { value, min, max } }: { counter: Counter }) {
  if (min === undefined || max === undefined || min === max) return null;
  const percent = Number(((value - min) * 1000n) / (max - min)) / 10;
  return (
    <div class="meter" aria-hidden="true">
      <div style={{ width: `${percent}%` }} />
    </div>
  );
}

/** So many characters do not fit in a line on the smallest screens at the usual size. */
const LONG = 17;

/** Shows for a moment that it has changed. */
function Value({ value }: { value: bigint }) {
  const shown = useRef(value);
  const changed = useRef(0);
  if (shown.current !== value) changed.current++;
  shown.current = value;
  const text = formatCount(value);
  const long = text.length > LONG;
  return (
    <p class={`value${long ? " long" : ""}${changed.current > 0 ? " changed" : ""}`} key={changed.current}>
      {text}
    </p>
  );
}

/** What became of the last change by a button of this row, unless it was simply made. */
function LastChange({ counters, name }: RowProps) {
  const changes = counters.changesOf(name);
  const state = changes.state.value;
  if (state.kind === "resent") return <Resending problem={state.problem} stop={() => changes.stop()} />;
  if (state.kind !== "failed") return null;
  return (
    <ProblemNote problem={state.problem}>
      <button type="button" class="quiet" onClick={() => changes.dismiss()}>
        Dismiss
      </button>
    </ProblemNote>
  );
}
