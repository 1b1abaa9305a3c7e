import type { Finding, FindingCode, Mend, Verification } from "../service/store-findings.ts";
import { counted, figure } from "./count/summary.ts";
import type { View } from "./output.ts";

/** What was looked at and found, as it is printed. @param url  of the store; undefined where it has none here */
export function verificationView(verification: Verification, url: string | undefined, ms: number): View {
  const { store, served, counters, sum, commits, requestIds, historyRows, findings, more } = verification;
  const mends = findings.map((finding) => ({ ...finding, mend: mendOf(finding, url) }));
  return {
    json: {
      store,
      served,
      counters,
      sum: `${sum}`,
      commits,
      requestIds,
      historyRows: historyRows ?? null,
      findings: mends.map(({ code, name, about, mend }) => ({ code, name, about, mend })),
      more,
      seconds: Math.round(ms) / 1000,
    },
    value: `${findings.length + more}`,
    cells: {
      STORE: store,
      COUNTERS: figure(counters),
      SUM: `${sum}`,
      CHANGES: `in ${counted(commits, "commit")}`,
      "REQUEST IDS": figure(requestIds),
      HISTORY: historyRows === undefined ? "none" : counted(historyRows, "row"),
      FOUND:
        findings.length === 0
          ? "nothing: all of it is as it was written"
          : `${figure(findings.length + more)}:`,
      ...Object.fromEntries(
        mends.map(({ code, name, about, mend }, i) => [`${i + 1}`, `${code} ${name}: ${about}; ${mend}`]),
      ),
      ...(more > 0 && { "…": `and ${figure(more)} more` }),
      DONE: `in ${(ms / 1000).toFixed(1)} s${served ? ", beside its server" : ""}`,
    },
  };
}

/** What mends it, as a command or a clause; of a backup, in what is restored of it. */
function mendOf({ mend, name }: Finding, url = "URL"): string {
  switch (mend) {
    case "accept":
      return `if its row is right: tally accept --store ${url} ${name}`;
    case "accept gone":
      return `if it is to be gone: tally accept --store ${url} --gone`;
    default:
      return MENDS[mend];
  }
}

const MENDS: Readonly<Record<Exclude<Mend, "accept" | "accept gone">, string>> = {
  start: "the next start of the server sets it right",
  change: "its next change sets it right",
  use: "its next use sets it right",
  time: "it is forgotten in its time; until then that request is refused",
  restore: "restore",
};

/** A finding as a server tells it. What mends it in a way that this version does not know, a backup does. */
export function findingFrom(told: Readonly<Record<"code" | "name" | "about" | "mend", string>>): Finding {
  const { code, name, about } = told;
  const mend = told.mend.toLowerCase().replace("_", " ");
  const isKnown = mend === "accept" || mend === "accept gone" || Object.hasOwn(MENDS, mend);
  return { code: code as FindingCode, name, about, mend: isKnown ? (mend as Mend) : "restore" };
}
