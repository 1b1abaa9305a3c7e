import type { Transport } from "@connectrpc/connect";
import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { Counters } from "./counters.ts";
import { Choice } from "./dialog.tsx";
import styles from "./history.css?inline";
import {
  axisText,
  drawnOf,
  Histories,
  type Point,
  pointText,
  RANGES,
  type Range,
  type Seen,
} from "./history.ts";
import { formatCount } from "./numbers.ts";
import { outlookText } from "./outlook.ts";
import { Plots } from "./plot.ts";
import { ReadingDialog, useKeptUp } from "./reading-dialog.tsx";
import { whenText } from "./times.ts";

// In a sheet of its own: so nothing is loaded beside the script, and the first visit has no loader for it.
const sheet = new CSSStyleSheet();
sheet.replaceSync(styles);
document.adoptedStyleSheets.push(sheet);

interface HistoryProps {
  readonly counters: Counters;
  readonly transport: Transport;
  readonly name: string;
  readonly onClose: () => void;
}

/** What became of a counter: drawn, in words point by point, and as a table. Kept up while it is open. */
export function HistoryDialog({ counters, transport, name, onClose }: HistoryProps) {
  const histories = useMemo(() => new Histories(transport), [transport]);
  const range = useSignal<Range>("day");
  const seen = useSignal<Seen | undefined>(undefined);
  const problem = useKeptUp(EVERY_MS, async (signal) => {
    const answer = await histories.read(name, range.value, signal);
    if (!signal.aborted) seen.value = answer;
  });
  const counter = counters.counterOf(name);
  const shown = seen.value;
  return (
    <ReadingDialog
      name="history"
      title="History"
      focus="input:checked" // Arrow keys lead on from what is shown.
      problem={problem.value}
      isLoading={shown === undefined}
      onClose={onClose}
      above={
        <>
          <p class="subject">{name}</p>
          <fieldset>
            <legend>What to show</legend>
            {(Object.keys(RANGES) as Range[]).map((each) => (
              <Choice key={each} name="range" of={range} is={each} text={RANGES[each].text} />
            ))}
          </fieldset>
        </>
      }
    >
      {shown && shown.points.length === 0 && <p class="hint">Nothing is known of that time.</p>}
      {shown && shown.points.length > 0 && <Shown seen={shown} />}
      {shown && counter && <p>{outlookText(counter, shown, new Date())}</p>}
    </ReadingDialog>
  );
}

/** Seldom enough to be no load, and often enough to be watched. */
const EVERY_MS = 10_000;

function Shown({ seen }: { seen: Seen }) {
  const at = useSignal<number | undefined>(undefined); // The last, unless one was chosen.
  const { points } = seen;
  const last = points.length - 1;
  const chosen = Math.min(at.value ?? last, last);
  return (
    <>
      <Plotted seen={seen} at={at} chosen={chosen} />
      <p class="facts">{pointText(points[chosen]!, new Date())}</p>
      <details>
        <summary>As a table</summary>
        <Table points={points} />
      </details>
    </>
  );
}

/** The plots, along which arrow keys lead from point to point; a screen reader reads each out. */
function Plotted({ seen, at, chosen }: { seen: Seen; at: Signal<number | undefined>; chosen: number }) {
  const root = useRef<HTMLDivElement>(null);
  const plots = useRef<Plots | undefined>(undefined);
  const { range, points } = seen;
  const last = points.length - 1;
  useLayoutEffect(() => {
    at.value = undefined;
    const made = new Plots(
      root.current!,
      (seconds) => axisText(range, seconds),
      (index) => (at.value = index),
    );
    plots.current = made;
    return () => made.close();
  }, [range, at]);
  useEffect(() => plots.current?.draw(drawnOf(seen)), [seen]);
  const goTo = (index: number) => {
    at.value = Math.min(Math.max(index, 0), last);
    plots.current?.mark(at.value);
  };
  return (
    <div
      ref={root}
      class="plots"
      role="slider"
      tabIndex={0}
      aria-label={`${RANGES[range].text}, point by point`}
      aria-valuemin={0}
      aria-valuemax={last}
      aria-valuenow={chosen}
      aria-valuetext={pointText(points[chosen]!, new Date())}
      onKeyDown={(event) => {
        const step = STEPS[event.key];
        if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
        event.preventDefault();
        goTo(chosen + step);
      }}
    />
  );
}

/** How far the keys of a slider lead. */
const STEPS: Readonly<Record<string, number>> = {
  ArrowLeft: -1,
  ArrowDown: -1,
  ArrowRight: 1,
  ArrowUp: 1,
  PageDown: -10,
  PageUp: 10,
  Home: Number.NEGATIVE_INFINITY,
  End: Number.POSITIVE_INFINITY,
};

function Table({ points }: { points: readonly Point[] }) {
  const now = new Date();
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">From</th>
          <th scope="col">Value</th>
          <th scope="col">Added</th>
          <th scope="col">Removed</th>
          <th scope="col">By ends</th>
        </tr>
      </thead>
      <tbody>
        {points.map(({ start, close, added, removed, rolled, remark }) => (
          <tr key={start.getTime()}>
            <th scope="row">
              {whenText(start, now)}
              {remark === "" ? "" : ` (${remark})`}
            </th>
            {[close, added, removed, rolled].map((count, i) => (
              <td key={i}>{formatCount(count)}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
