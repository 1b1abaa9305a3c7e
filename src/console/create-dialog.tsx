import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { OnBound } from "../../gen/browser/tally/v1/counter_pb.ts";
import type { Counters } from "./counters.ts";
import { Dialog, Field, NOT_A_COUNT } from "./dialog.tsx";
import { parseCount } from "./numbers.ts";

interface CreateProps {
  readonly counters: Counters;
  readonly prefilled: string;
  readonly onClose: () => void;
  readonly onCreated: (name: string) => void;
}

export function CreateDialog({ counters, prefilled, onClose, onCreated }: CreateProps) {
  const changes = useMemo(() => counters.newChanges(), [counters]);
  const name = useSignal(prefilled);
  const initial = useSignal("0");
  const min = useSignal("");
  const max = useSignal("");
  const clamp = useSignal(false);
  const monotonic = useSignal(false);
  const description = useSignal("");
  /** Not before the person is done: a field is not wrong while it is being filled in. */
  const checked = useSignal(false);

  const state = changes.state.value;
  const problem = state.kind === "failed" ? state.problem : undefined;
  const refused = problem?.reason === "COUNTER_EXISTS" ? "name" : problem?.field;
  const wrongOf = (text: string, field: string, optional: boolean) => {
    if (checked.value && !(optional && text.trim() === "") && parseCount(text) === undefined)
      return NOT_A_COUNT;
    return refused === field ? "See below." : undefined;
  };
  const initialWrong = wrongOf(initial.value, "initial", false);
  const minWrong = wrongOf(min.value, "min", true);
  const maxWrong = wrongOf(max.value, "max", true);

  const submit = async () => {
    checked.value = true;
    const bound = (text: string) => (text.trim() === "" ? undefined : parseCount(text));
    const counts = { initial: parseCount(initial.value), min: bound(min.value), max: bound(max.value) };
    const unclear = (text: string, count: bigint | undefined) => text.trim() !== "" && count === undefined;
    if (counts.initial === undefined || unclear(min.value, counts.min) || unclear(max.value, counts.max))
      return;
    const made = await counters.create(changes, {
      name: name.value.trim(),
      initial: counts.initial,
      ...(counts.min !== undefined && { min: counts.min }),
      ...(counts.max !== undefined && { max: counts.max }),
      onBound: clamp.value ? OnBound.CLAMP : OnBound.REJECT,
      monotonic: monotonic.value,
      description: description.value.trim(),
    });
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
      <div class="columns">
        <Field
          label="Starts at"
          value={initial.value}
          onInput={(text) => (initial.value = text)}
          wrong={initialWrong}
          numeric
        />
        <Field
          label="Minimum"
          value={min.value}
          onInput={(text) => (min.value = text)}
          wrong={minWrong}
          placeholder="none"
          numeric
        />
        <Field
          label="Maximum"
          value={max.value}
          onInput={(text) => (max.value = text)}
          wrong={maxWrong}
          placeholder="none"
          numeric
        />
      </div>
      <fieldset>
        <legend>What would pass a bound</legend>
        <label class="choice">
          <input
            class="tick"
            type="radio"
            name="bound"
            checked={!clamp.value}
            onChange={() => (clamp.value = false)}
          />
          is refused
        </label>
        <label class="choice">
          <input
            class="tick"
            type="radio"
            name="bound"
            checked={clamp.value}
            onChange={() => (clamp.value = true)}
          />
          stops at the bound
        </label>
      </fieldset>
      <label class="choice">
        <input
          class="tick"
          type="checkbox"
          checked={monotonic.value}
          onChange={({ currentTarget }) => (monotonic.value = currentTarget.checked)}
        />
        It never goes down
      </label>
      <Field
        label="Description (optional)"
        value={description.value}
        onInput={(text) => (description.value = text)}
        wrong={refused === "description" ? "See below." : undefined}
      />
    </Dialog>
  );
}
