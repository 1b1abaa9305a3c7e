import { type Signal, signal } from "@preact/signals";
import { type Counter, OnBound } from "../../gen/browser/tally/v1/counter_pb.ts";
import { Field, NOT_A_COUNT, type WrongAt } from "./dialog.tsx";
import { LabelsField, LabelsForm } from "./labels-field.tsx";
import { formatCount, parseCount } from "./numbers.ts";

/** What a counter is told to be, apart from its value. */
export type Settings = Pick<
  Counter,
  "initial" | "min" | "max" | "onBound" | "monotonic" | "labels" | "description"
>;

/** Settings as they are typed. */
export class SettingsForm {
  readonly initial = signal("0");
  readonly min = signal("");
  readonly max = signal("");
  readonly clamp = signal(false);
  readonly monotonic = signal(false);
  readonly description = signal("");
  readonly labels = new LabelsForm();
  /** Not before the person is done: a field is not wrong while it is being filled in. */
  readonly checked = signal(false);

  /**
   * Fill in what a counter is.
   *
   * @param before  what it was filled with until now: what the person has changed since stays
   */
  fill(now: Settings, before?: Settings): void {
    const put = <T,>(field: Signal<T>, of: (settings: Settings) => T) => {
      if (before === undefined || field.value === of(before)) field.value = of(now);
    };
    put(this.initial, ({ initial }) => formatCount(initial));
    put(this.min, ({ min }) => boundText(min));
    put(this.max, ({ max }) => boundText(max));
    put(this.clamp, ({ onBound }) => onBound === OnBound.CLAMP);
    put(this.monotonic, ({ monotonic }) => monotonic);
    put(this.description, ({ description }) => description);
    this.labels.fill(now.labels, before?.labels);
  }

  /** What was typed; undefined, and marked, when some of it means nothing. */
  read(): Settings | undefined {
    this.checked.value = true;
    const initial = parseCount(this.initial.value);
    const [min, max] = [readBound(this.min.value), readBound(this.max.value)];
    const labels = this.labels.read();
    if (initial === undefined || min === "unclear" || max === "unclear" || labels === undefined)
      return undefined;
    return {
      initial,
      ...(min !== undefined && { min }),
      ...(max !== undefined && { max }),
      onBound: this.clamp.value ? OnBound.CLAMP : OnBound.REJECT,
      monotonic: this.monotonic.value,
      labels,
      description: this.description.value,
    };
  }
}

function boundText(bound: bigint | undefined): string {
  return bound === undefined ? "" : formatCount(bound);
}

function readBound(text: string): bigint | undefined | "unclear" {
  return text.trim() === "" ? undefined : (parseCount(text) ?? "unclear");
}

interface FieldsProps {
  readonly form: SettingsForm;
  /** What the initial value is here for. */
  readonly initialLabel: string;
  readonly refusal: WrongAt;
}

/** The fields below, as the .proto names them. */
export const SETTINGS_FIELDS = ["initial", "min", "max", "description", "labels"];

export function SettingsFields({ form, initialLabel, refusal }: FieldsProps) {
  const { initial, min, max, clamp, monotonic, description, checked } = form;
  const wrong = (unclear: boolean, field: string) =>
    checked.value && unclear ? NOT_A_COUNT : refusal(field);
  return (
    <>
      <div class="columns">
        <Field
          label={initialLabel}
          value={initial.value}
          onInput={(text) => (initial.value = text)}
          wrong={wrong(parseCount(initial.value) === undefined, "initial")}
          numeric
        />
        <Field
          label="Minimum"
          value={min.value}
          onInput={(text) => (min.value = text)}
          wrong={wrong(readBound(min.value) === "unclear", "min")}
          placeholder="none"
          numeric
        />
        <Field
          label="Maximum"
          value={max.value}
          onInput={(text) => (max.value = text)}
          wrong={wrong(readBound(max.value) === "unclear", "max")}
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
        wrong={refusal("description")}
      />
      <LabelsField form={form.labels} checked={checked.value} refusal={refusal} />
    </>
  );
}
