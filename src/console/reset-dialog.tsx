import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Counters } from "./counters.ts";
import { Dialog, OnlyIfUnchanged, ValueChange } from "./dialog.tsx";
import { formatCount } from "./numbers.ts";

interface ResetProps {
  readonly counters: Counters;
  readonly name: string;
  readonly onClose: () => void;
  readonly onReset: (name: string, value: bigint) => void;
}

/** Says what will be lost before it is, as SetDialog does. */
export function ResetDialog({ counters, name, onClose, onReset }: ResetProps) {
  const changes = useMemo(() => counters.newChanges(), [counters]);
  const unchanged = useSignal(false);
  const counter = counters.counterOf(name);

  const submit = async () => {
    const now = await counters.reset(changes, name, unchanged.value ? counter?.etag : undefined);
    if (now === undefined) return void counters.refresh(); // So that the person decides on what it is now.
    onClose();
    onReset(name, now);
  };

  return (
    <Dialog title="Reset a counter" verb="Reset" changes={changes} onSubmit={submit} onClose={onClose}>
      <p class="subject">{name}</p>
      {counter && (
        <p>
          It goes back to its initial value, <strong>{formatCount(counter.initial)}</strong>.
        </p>
      )}
      <ValueChange now={counter?.value} becomes={counter?.initial} />
      <OnlyIfUnchanged checked={unchanged} />
    </Dialog>
  );
}
