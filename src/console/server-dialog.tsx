import { createClient, type Transport } from "@connectrpc/connect";
import { useSignal } from "@preact/signals";
import { useEffect, useId, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import {
  AdminService,
  type GetServerInfoResponse,
  type LastMinute,
  type ServerThread,
} from "../../gen/browser/tally/v1/admin_service_pb.ts";
import { formatCount } from "./numbers.ts";
import { type Problem, problemOf } from "./problem.ts";
import { ProblemNote } from "./problem-note.tsx";
import styles from "./server.css?inline";
import { timeText } from "./times.ts";

// In a sheet of its own: so nothing is loaded beside the script.
const sheet = new CSSStyleSheet();
sheet.replaceSync(styles);
document.adoptedStyleSheets.push(sheet);

interface ServerProps {
  readonly transport: Transport;
  /** Who asks. */
  readonly headers: () => Record<string, string>;
  readonly onClose: () => void;
}

/** What the server is, and what is not as it should be. Kept up while it is open. */
export function ServerDialog({ transport, headers, onClose }: ServerProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  const client = useMemo(() => createClient(AdminService, transport), [transport]);
  const seen = useSignal<GetServerInfoResponse | undefined>(undefined);
  const problem = useSignal<Problem | undefined>(undefined);
  useLayoutEffect(() => {
    const element = dialog.current!;
    element.showModal();
    return () => element.close();
  }, []);
  useEffect(() => {
    const closing = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const read = async () => {
      try {
        const call = { headers: headers(), signal: closing.signal, timeoutMs: EVERY_MS };
        seen.value = await client.getServerInfo({}, call);
        problem.value = undefined;
      } catch (error) {
        if (!closing.signal.aborted) problem.value = problemOf(error);
      }
      if (!closing.signal.aborted) timer = setTimeout(read, EVERY_MS);
    };
    void read();
    return () => {
      closing.abort();
      clearTimeout(timer);
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class="server"
      aria-labelledby={titleId}
      onClose={() => dialog.current !== null && onClose()}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onClose();
        }}
      >
        <h2 id={titleId}>Server</h2>
        {problem.value && <ProblemNote problem={problem.value} />}
        {seen.value === undefined && problem.value === undefined && <p class="hint">Loading …</p>}
        {seen.value && <Shown info={seen.value} />}
        <div class="choices">
          <button type="submit" class="primary">
            Close
          </button>
        </div>
      </form>
    </dialog>
  );
}

const EVERY_MS = 5_000;

function Shown({ info }: { info: GetServerInfoResponse }) {
  const { version, startTime, instance, store, promise, auth, lastMinute } = info;
  return (
    <>
      {info.warnings.length > 0 && (
        <ul class="warnings" aria-label="What is not as it should be">
          {info.warnings.map((text) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      )}
      <dl>
        {version !== "" && <Fact term="Version" text={version} />}
        {startTime && <Fact term="Since" text={timeText(startTime)} />}
        {instance !== "" && <Fact term="Instance" text={instance} />}
        <Fact term="Store" text={store} />
        <Fact term="Keeps" text={promise} />
        <Fact term="Size" text={sizeText(info)} />
        <Fact term="Counters" text={counterText(info)} />
        <Fact term="Callers" text={AUTH_TEXTS[auth] ?? auth} />
        {lastMinute && <Fact term="Last minute" text={rateText(lastMinute)} />}
      </dl>
      {info.threads.length > 0 && <Threads threads={info.threads} />}
      <details>
        <summary>Limits in force</summary>
        <dl>
          {Object.entries(info.limits)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([name, value]) => (
              <Fact key={name} term={name} text={value} />
            ))}
        </dl>
      </details>
    </>
  );
}

function Fact({ term, text }: { term: string; text: string }) {
  if (text === "") return null;
  return (
    <>
      <dt>{term}</dt>
      <dd>{text}</dd>
    </>
  );
}

function Threads({ threads }: { threads: readonly ServerThread[] }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Thread</th>
          <th scope="col">Busy</th>
          <th scope="col">Heap</th>
        </tr>
      </thead>
      <tbody>
        {threads.map(({ name, busyPercent, heapBytes }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{busyPercent} %</td>
            <td>{bytesText(heapBytes)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const AUTH_TEXTS: Readonly<Record<string, string>> = {
  off: "nobody is asked who they are",
  optional: "may say who they are",
  required: "have to say who they are",
};

function sizeText({ storeBytes, roomBytes }: GetServerInfoResponse): string {
  const size = storeBytes === undefined ? "" : bytesText(storeBytes);
  return roomBytes === undefined ? size : `${size}, and ${bytesText(roomBytes)} are left on its disk`;
}

function counterText({ counters }: GetServerInfoResponse): string {
  if (counters === undefined) return "unknown: the store does not answer";
  return counters > COUNTED_MAX ? `about ${formatCount(counters)}` : formatCount(counters);
}

/** Up to so many are counted one by one. */
const COUNTED_MAX = 10_000n;

function rateText({ seconds, calls, refusedCalls, operations, commits }: LastMinute): string {
  const rate = (count: bigint) => RATE.format(Number(count) / Math.max(1, seconds));
  const refused = refusedCalls === 0n ? "none" : rate(refusedCalls);
  return `${rate(calls)} calls a second, ${refused} of them refused; ${rate(operations)} operations in ${rate(commits)} commits`;
}

const RATE = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

function bytesText(bytes: bigint): string {
  const unit = UNITS.findLast(({ from }) => Number(bytes) >= from) ?? UNITS[0]!;
  return `${RATE.format(Number(bytes) / unit.from)} ${unit.name}`;
}

const UNITS = ["KiB", "MiB", "GiB", "TiB"].map((name, i) => ({ name, from: 2 ** (10 * (i + 1)) }));
