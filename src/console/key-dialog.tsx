import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Counters } from "./counters.ts";
import { Dialog, Labelled } from "./dialog.tsx";
import type { KeyHolder } from "./key-holder.ts";

/** Asks for the key that says who calls. */
export function KeyDialog({ caller, counters }: { caller: KeyHolder; counters: Counters }) {
  const changes = useMemo(() => counters.newChanges(), [counters]);
  const text = useSignal("");
  const checked = useSignal(false);
  const key = text.value.trim();
  const wrong = checked.value ? faultOf(key) : undefined;

  const submit = async () => {
    checked.value = true;
    if (faultOf(key) !== undefined) return;
    await changes.make(({ signal, timeoutMs }) => caller.give(key, { signal, timeoutMs }));
  };

  return (
    <Dialog
      title="Who are you?"
      verb="Use this key"
      changes={changes}
      onSubmit={submit}
      onClose={() => caller.decline()}
    >
      <p>{caller.wanted.value?.message ?? "Another key may do other things."}</p>
      <Labelled label="API key or token" wrong={wrong} hint="Kept in this tab only, until it is closed.">
        {(id, described) => (
          <input
            id={id}
            type="password"
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            value={text.value}
            aria-invalid={wrong !== undefined}
            aria-describedby={described}
            onInput={({ currentTarget }) => {
              text.value = currentTarget.value;
            }}
          />
        )}
      </Labelled>
    </Dialog>
  );
}

/** Where it could be no key, whatever the server has. */
function faultOf(key: string): string | undefined {
  if (!/^[!-~]+$/.test(key)) return "One line without spaces.";
  return key.length > KEY_LENGTH_MAX ? "It is too long to be a key." : undefined;
}

const KEY_LENGTH_MAX = 8_192;
