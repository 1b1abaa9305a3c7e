import type { Transport } from "@connectrpc/connect";
import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { capital } from "./actions.tsx";
import type { Caller } from "./caller.ts";
import type { Counters } from "./counters.ts";
import { CreateDialog } from "./create-dialog.tsx";
import { DeleteDialog } from "./delete-dialog.tsx";
import { EditView, HistoryView, ServerView } from "./later.tsx";
import { AwayNote, BarredNote, LinkView } from "./link.tsx";
import { ListView } from "./list.tsx";
import { whyNone } from "./may.ts";
import { formatCount, parseCount } from "./numbers.ts";
import { Pager } from "./pager.tsx";
import type { Question } from "./props.ts";
import { ResetDialog } from "./reset-dialog.tsx";
import { focusRow, neighbourOf } from "./row-focus.ts";
import { SetDialog } from "./set-dialog.tsx";
import { Shadows } from "./shadows.ts";
import { Search, Step } from "./toolbar.tsx";
import { useCaller } from "./use-caller.ts";

interface PageProps {
  readonly counters: Counters;
  readonly caller: Caller;
  readonly transport: Transport;
}

/** All of the page: the toolbar, the list, the pager, and the dialog that was asked for. */
export function PageView({ counters, caller, transport }: PageProps) {
  const asked = useSignal<Question | undefined>(undefined);
  const shadows = useSignal<ReadonlySet<string>>(new Set());
  const looking = useMemo(() => new Shadows(shadows, () => caller.headers()), [shadows, caller]);
  useSignalEffect(() => {
    const listed = counters.page.value?.listed ?? [];
    void looking.look(listed.flatMap(({ counter }) => counter?.policy ?? []));
  });
  useCaller(counters, caller);
  const grants = caller.who.value?.grants;
  const notNew = whyNone(grants, "manage");
  const unobserved = whyNone(grants, "observe");
  /** What became of the person's last change, for the eye and for screen readers. */
  const told = useSignal("");
  useSignalEffect(() => {
    if (told.value === "") return;
    const timer = setTimeout(() => {
      told.value = "";
    }, TOLD_MS);
    return () => clearTimeout(timer);
  });
  useSignalEffect(() => {
    if (!caller.partsMissing.value) return;
    told.value = PART_MISSING;
  });
  const stepText = useSignal("1");
  const step = useComputed(() => {
    const amount = parseCount(stepText.value);
    return amount !== undefined && amount > 0n ? amount : undefined;
  });

  const parts = caller.parts.value;
  const question = asked.value;
  // Only this one: a change that is answered late may find another dialog open.
  const close = () => {
    if (asked.value === question) asked.value = undefined;
  };
  const missing = () => {
    close();
    told.value = PART_MISSING;
  };
  const created = (name: string) => {
    told.value = `Created ${name}.`;
    void counters.refresh().then(() => {
      const shown = counters.page.value?.listed.some((each) => each.name === name);
      if (!shown) counters.search(name);
    });
  };
  const wasSet = (name: string, value: bigint) => {
    told.value = `${name} is now ${formatCount(value)}.`;
  };
  const edited = (name: string, changed: boolean) => {
    told.value = changed ? `Changed the settings of ${name}.` : `Nothing was changed of ${name}.`;
    void counters.refresh();
  };
  const deleted = (name: string, value: bigint) => {
    told.value = `Deleted ${name}; its last value was ${formatCount(value)}.`;
    // The button that had the focus goes with its row.
    const next = neighbourOf(name, counters.page.value?.listed.map((each) => each.name) ?? []);
    void counters.refresh();
    requestAnimationFrame(() => focusRow(next));
  };

  return (
    <>
      <header class="masthead">
        <a class="brand" href="./">
          <Mark />
          Tally
        </a>
        <LinkView poller={counters.poller} />
        {parts && <parts.WhoView caller={caller} />}
        <nav aria-label="About this server">
          <button
            type="button"
            aria-disabled={unobserved !== ""}
            title={unobserved === "" ? undefined : capital(unobserved)}
            onClick={() => {
              if (unobserved === "") asked.value = { kind: "server" };
            }}
          >
            Server
          </button>
          <a href="docs">API reference</a>
        </nav>
      </header>
      <main>
        <h1 tabIndex={-1}>Counters</h1>
        <div class="toolbar">
          <Search counters={counters} />
          <Step text={stepText} />
          <button
            type="button"
            class="primary"
            aria-disabled={notNew !== ""}
            title={notNew === "" ? undefined : capital(notNew)}
            onClick={() => {
              if (notNew === "") asked.value = { kind: "create", name: counters.prefix.value };
            }}
          >
            New counter
          </button>
        </div>
        <AwayNote counters={counters} />
        <BarredNote counters={counters} caller={caller} />
        <ListView
          counters={counters}
          grants={grants}
          notNew={notNew}
          shadows={shadows}
          step={step.value}
          asked={asked}
          told={told}
        />
        <div class="bar">
          <p role="status">{told}</p>
          <Pager counters={counters} />
        </div>
      </main>
      {caller.asking.value && parts && <parts.KeyDialog caller={caller} counters={counters} />}
      {question?.kind === "create" && (
        <CreateDialog
          counters={counters}
          prefilled={question.name}
          onClose={close}
          onCreated={created}
          onMissing={missing}
        />
      )}
      {question?.kind === "set" && (
        <SetDialog counters={counters} name={question.name} onClose={close} onSet={wasSet} />
      )}
      {question?.kind === "reset" && (
        <ResetDialog counters={counters} name={question.name} onClose={close} onReset={wasSet} />
      )}
      {question?.kind === "history" && (
        <HistoryView
          counters={counters}
          transport={transport}
          name={question.name}
          onClose={close}
          onMissing={missing}
        />
      )}
      {question?.kind === "server" && (
        <ServerView
          transport={transport}
          headers={() => caller.headers()}
          onClose={close}
          onMissing={missing}
        />
      )}
      {question?.kind === "edit" && (
        <EditView
          counters={counters}
          counter={question.counter}
          onClose={close}
          onEdited={edited}
          onMissing={missing}
        />
      )}
      {question?.kind === "delete" && (
        <DeleteDialog counters={counters} name={question.name} onClose={close} onDeleted={deleted} />
      )}
    </>
  );
}

const PART_MISSING = "This part of the page could not be loaded. Load the page anew.";

/** Long enough to be read twice; after that it is no news. */
const TOLD_MS = 10_000;

function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <path d="M8 8v16M13.3 8v16M18.7 8v16M24 8v16M5 21 27 11" />
    </svg>
  );
}
