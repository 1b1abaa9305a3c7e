import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Counters } from "./counters.ts";
import { Dialog, Field, wrongAt } from "./dialog.tsx";

interface CreateProps {
  readonly counters: Counters;
  readonly prefilled: string;
  readonly onClose: () => void;
  readonly onCreated: (name: string) => void;
  /** Told when the form of settings is not to be had: the server has another page by now, or is away. */
  readonly onMissing: () => void;
}

/**
 * Asks for the name and the settings of a new counter. The name can be typed at once, so that no key is lost; the rest is
 * loaded the first time.
 */
export function CreateDialog({ counters, prefilled, onClose, onCreated, onMissing }: CreateProps) {
  const changes = useMemo(() => counters.newChanges(), [counters]);
  const name = useSignal(prefilled);
  const part = useSignal(loaded);
  useEffect(() => {
    loadSettings().then((now) => (part.value = now), onMissing);
  }, []);
  const settingsPart = part.value;
  const form = useMemo(() => settingsPart && new settingsPart.SettingsForm(), [settingsPart]);

  const refusal = wrongAt(changes);

  const submit = async () => {
    const filled = form ?? (await loadSettings().then(({ SettingsForm }) => new SettingsForm(), onMissing));
    const settings = filled?.read();
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
      fields={["name", ...(settingsPart?.SETTINGS_FIELDS ?? [])]}
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
      {settingsPart && form && (
        <settingsPart.SettingsFields form={form} initialLabel="Starts at" refusal={refusal} />
      )}
    </Dialog>
  );
}

let loaded: typeof import("./settings-part.ts") | undefined;

async function loadSettings(): Promise<typeof import("./settings-part.ts")> {
  loaded ??= await import("./settings-part.ts");
  return loaded;
}
