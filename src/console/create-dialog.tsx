import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Counters } from "./counters.ts";
import { Dialog, Field } from "./dialog.tsx";
import { SettingsFields, SettingsForm } from "./settings-form.tsx";

interface CreateProps {
  readonly counters: Counters;
  readonly prefilled: string;
  readonly onClose: () => void;
  readonly onCreated: (name: string) => void;
}

export function CreateDialog({ counters, prefilled, onClose, onCreated }: CreateProps) {
  const changes = useMemo(() => counters.newChanges(), [counters]);
  const name = useSignal(prefilled);
  const form = useMemo(() => new SettingsForm(), []);

  const state = changes.state.value;
  const problem = state.kind === "failed" ? state.problem : undefined;
  const refused = problem?.reason === "COUNTER_EXISTS" ? "name" : problem?.field;

  const submit = async () => {
    const settings = form.read();
    if (settings === undefined) return;
    const made = await counters.create(changes, { name: name.value.trim(), ...settings });
    if (made === undefined) return;
    onClose();
    onCreated(made.name);
  };

  return (
    <Dialog title="New counter" verb="Create" changes={changes} onSubmit={submit} onClose={onClose}>
      <Field
        label="Name"
        value={name.value}
        onInput={(text) => (name.value = text)}
        wrong={refused === "name" ? "See below." : undefined}
        hint="Letters, digits and signs without spaces, such as shop.page-views or user:42."
      />
      <SettingsFields form={form} initialLabel="Starts at" refused={refused} />
    </Dialog>
  );
}
