import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Counters } from "./counters.ts";
import { Dialog, Field, OnlyIfUnchanged, ValueChange, wrongAt } from "./dialog.tsx";
import { countFault, parseCount } from "./numbers.ts";

interface SetProps {
  readonly counters: Counters;
  readonly name: string;
  readonly onClose: () => void;
  readonly onSet: (name: string, value: bigint) => void;
}

/** Says what will be lost before it is: a set overwrites what others have counted. */
export function SetDialog({ counters, name, onClose, onSet }: SetProps) {
  const changes = useMemo(() => counters.newChanges(), [counters]);
  const text = useSignal("");
  const unchanged = useSignal(false);
  const checked = useSignal(false);
  const counter = counters.counterOf(name);
  const value = parseCount(text.value);

  const submit = async () => {
    checked.value = true;
    if (value === undefined) return;
    const now = await counters.set(changes, name, value, unchanged.value ? counter?.etag : undefined);
    if (now === undefined) return void counters.refresh(); // So that the person decides on what it is now.
    onClose();
    onSet(name, now);
  };

  return (
    <Dialog
      title="Set a counter"
      verb="Set"
      changes={changes}
      fields={["value"]}
      onSubmit={submit}
      onClose={onClose}
    >
      <p class="subject">{name}</p>
      <ValueChange now={counter?.value} becomes={value} />
      <Field
        label="New value"
        value={text.value}
        onInput={(typed) => (text.value = typed)}
        wrong={(checked.value && countFault(text.value)) || wrongAt(changes)("value")}
        numeric
      />
      <OnlyIfUnchanged checked={unchanged} />
    </Dialog>
  );
}
