import { createClient, type Transport } from "@connectrpc/connect";
import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import {
  AdminService,
  type GetServerInfoResponse,
  type LastMinute,
  type ServerThread,
} from "../../gen/browser/tally/v1/admin_service_pb.ts";
import { formatCount } from "./numbers.ts";
import { ReadingDialog, useKeptUp } from "./reading-dialog.tsx";
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
  const client = useMemo(() => createClient(AdminService, transport), [transport]);
  const seen = useSignal<GetServerInfoResponse | undefined>(undefined);
  const problem = useKeptUp(EVERY_MS, async (signal) => {
    const answer = await client.getServerInfo({}, { headers: headers(), signal, timeoutMs: EVERY_MS });
    if (!signal.aborted) seen.value = answer;
  });
  return (
    <ReadingDialog
      name="server"
      title="Server"
      problem={problem.value}
      isLoading={seen.value === undefined}
      onClose={onClose}
    >
      {seen.value && <Shown info={seen.value} />}
    </ReadingDialog>
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
