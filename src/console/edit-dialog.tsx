import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Counter } from "../../gen/browser/tally/v1/counter_pb.ts";
import type { Counters } from "./counters.ts";
import { Dialog, wrongAt } from "./dialog.tsx";
import { changedPaths, SETTINGS_FIELDS, SettingsFields, SettingsForm } from "./settings-form.tsx";

interface EditProps {
  readonly counters: Counters;
  /** As it was when the person began. */
  readonly counter: Counter;
  readonly onClose: () => void;
  /** @param changed  false when there was nothing to change */
  readonly onEdited: (name: string, changed: boolean) => void;
}

/**
 * Changes what the person has changed, and only on the settings that are shown: when somebody else was quicker, it is
 * refused, and shows theirs where the person has touched nothing.
 */
export function EditDialog({ counters, counter, onClose, onEdited }: EditProps) {
  const { name } = counter;
  const changes = useMemo(() => counters.newChanges(), [counters]);
  const shown = useSignal(counter);
  const form = useMemo(() => {
    const filled = new SettingsForm();
    filled.fill(counter);
    return filled;
  }, [counter]);

  const submit = async () => {
    const settings = form.read();
    if (settings === undefined) return;
    const paths = changedPaths(shown.value, settings);
    if (paths.length > 0) {
      const { settingsEtag } = shown.value;
      const request = { name, updateMask: { paths }, settingsEtag, ...settings };
      if ((await counters.update(changes, request)) === undefined) return showNow();
    }
    onClose();
    onEdited(name, paths.length > 0);
  };

  const showNow = async () => {
    await counters.refresh();
    const now = counters.counterOf(name);
    if (now === undefined || now.settingsEtag === shown.value.settingsEtag) return;
    form.fill(now, shown.value);
    shown.value = now;
  };

  return (
    <Dialog
      title="Settings"
      verb="Save"
      changes={changes}
      fields={SETTINGS_FIELDS}
      onSubmit={submit}
      onClose={onClose}
    >
      <p class="subject">{name}</p>
      <SettingsFields form={form} initialLabel="Resets to" refusal={wrongAt(changes)} />
    </Dialog>
  );
}
