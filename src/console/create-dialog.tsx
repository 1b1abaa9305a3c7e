import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Counters } from "./counters.ts";
import { Dialog, Field, wrongAt } from "./dialog.tsx";
import { SETTINGS_FIELDS, SettingsFields, SettingsForm } from "./settings-form.tsx";

interface CreateProps {
  readonly counters: Counters;
  readonly prefilled: string;
  readonly onClose: () => void;
  readonly onCreated: (name: string) => void;
}

/** Asks for the name and the settings of a new counter. */
export function CreateDialog({ counters, prefilled, onClose, onCreated }: CreateProps) {
  const changes = useMemo(() => counters.newChanges(), [counters]);
  const name = useSignal(prefilled);
  const form = useMemo(() => new SettingsForm(), []);

  const refusal = wrongAt(changes);

  const submit = async () => {
    const settings = form.read();
    if (settings === undefined) return;
    const made = await counters.create(changes, { name: name.value.trim(), ...settings });
    if (made === undefined) return;
    onClose();
    onCreated(made.name);
  };

  return (
    <Dialog
      title="New counter"
      verb="Create"
      changes={changes}
      fields={["name", ...SETTINGS_FIELDS]}
      onSubmit={submit}
      onClose={onClose}
    >
      <Field
        label="Name"
        value={name.value}
        onInput={(text) => (name.value = text)}
        wrong={refusal("name")}
        hint="Letters, digits and signs without spaces, such as shop.page-views or user:42."
      />
      <SettingsFields form={form} initialLabel="Starts at" refusal={refusal} />
    </Dialog>
  );
}
