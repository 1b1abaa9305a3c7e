import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Counters } from "./counters.ts";
import { Dialog, Field } from "./dialog.tsx";
import { formatCount } from "./numbers.ts";

interface DeleteProps {
  readonly counters: Counters;
  readonly name: string;
  readonly onClose: () => void;
  readonly onDeleted: (name: string, value: bigint) => void;
}

/** A count that is gone cannot be counted again, so the name is to be typed. */
export function DeleteDialog({ counters, name, onClose, onDeleted }: DeleteProps) {
  const changes = useMemo(() => counters.newChanges(), [counters]);
  const typed = useSignal("");
  const checked = useSignal(false);
  const counter = counters.counterOf(name);
  const same = typed.value.trim() === name;

  const submit = async () => {
    checked.value = true;
    if (!same) return;
    const value = await counters.delete(changes, name);
    if (value === undefined) return;
    onClose();
    onDeleted(name, value);
  };

  return (
    <Dialog
      title="Delete a counter"
      verb="Delete"
      dangerous
      changes={changes}
      onSubmit={submit}
      onClose={onClose}
    >
      <p class="subject">{name}</p>
      <p>
        Its value{counter && <strong> {formatCount(counter.value)}</strong>} and its history are gone for
        good. The name is free again.
      </p>
      <Field
        label="Type its name to delete it"
        value={typed.value}
        onInput={(text) => (typed.value = text)}
        wrong={checked.value && !same ? "This is not its name." : undefined}
      />
    </Dialog>
  );
}
