import { type Signal, signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { type Counter, OnBound } from "../../gen/browser/tally/v1/counter_pb.ts";
import {
  type UpdateCounterRequest,
  UpdateCounterRequestSchema,
} from "../../gen/browser/tally/v1/counter_service_pb.ts";
import { Field, NOT_A_COUNT, type WrongAt } from "./dialog.tsx";
import { LabelsField, LabelsForm } from "./labels-field.tsx";
import { formatCount, parseCount } from "./numbers.ts";

/** The settings, as messages call them. */
type SettingName = Exclude<
  keyof UpdateCounterRequest,
  | ("$typeName" | "$unknown" | "name" | "updateMask" | "requestId" | "settingsEtag" | "note")
  | ("window" | "refill" | "idleTtl") // Which the page does not show yet.
>;

/** What a counter is told to be, apart from its value. */
export type Settings = Pick<Counter, SettingName>;

/** A setting as it is typed or chosen. */
interface Typed {
  /** @param before  as for SettingsForm.fill */
  fill(now: Settings, before: Settings | undefined): void;
  /** What was typed: none of it for a bound that is none. Undefined when it means nothing. */
  read(): Partial<Settings> | undefined;
}

function typed<T>(
  byDefault: T,
  of: (settings: Settings) => T,
  read: (typed: T) => Partial<Settings> | undefined,
): Typed & { readonly field: Signal<T> } {
  const field: Signal<T> = signal(byDefault);
  return {
    field,
    fill(now, before) {
      if (before === undefined || field.value === of(before)) field.value = of(now);
    },
    read: () => read(field.value),
  };
}

/** Settings as they are typed. */
export class SettingsForm {
  readonly initial = typed(
    "0",
    ({ initial }) => formatCount(initial),
    (text) => {
      const initial = parseCount(text);
      return initial === undefined ? undefined : { initial };
    },
  );
  readonly min = bound("min");
  readonly max = bound("max");
  readonly onBound = typed(
    OnBound.REJECT,
    ({ onBound }) => onBound,
    (onBound) => ({ onBound }),
  );
  readonly monotonic = typed(
    false,
    ({ monotonic }) => monotonic,
    (monotonic) => ({ monotonic }),
  );
  readonly labels = new LabelsForm();
  readonly description = typed(
    "",
    ({ description }) => description,
    (description) => ({ description }),
  );
  /** Not before the person is done: a field is not wrong while it is being filled in. */
  readonly checked = signal(false);

  /**
   * Fill in what a counter is.
   *
   * @param before  what it was filled with until now: what the person has changed since stays
   */
  fill(now: Settings, before?: Settings): void {
    for (const setting of this.#typed) setting.fill(now, before);
  }

  /** What was typed; undefined, and marked, when some of it means nothing. */
  read(): Settings | undefined {
    this.checked.value = true;
    const settings = this.#typed.map((setting) => setting.read());
    return settings.includes(undefined) ? undefined : Object.assign({}, ...settings);
  }

  get #typed(): Typed[] {
    return SETTING_NAMES.map((name) => this[name]);
  }
}

function bound(name: "min" | "max") {
  return typed(
    "",
    (settings) => boundText(settings[name]),
    (text) => {
      const value = readBound(text);
      return value === "unclear" ? undefined : value === undefined ? {} : { [name]: value };
    },
  );
}

function boundText(bound: bigint | undefined): string {
  return bound === undefined ? "" : formatCount(bound);
}

function readBound(text: string): bigint | undefined | "unclear" {
  return text.trim() === "" ? undefined : (parseCount(text) ?? "unclear");
}

/** What differs, as an update_mask names it: a bound that is named and not given is taken away. */
export function changedPaths(before: Settings, after: Settings): string[] {
  return SETTING_NAMES.filter((name) => textOf(before[name]) !== textOf(after[name])).map(pathOf);
}

function textOf(value: Settings[SettingName]): string {
  return typeof value === "object" ? JSON.stringify(Object.entries(value).sort()) : `${value}`;
}

/** As the .proto names it. */
function pathOf(name: SettingName): string {
  return UpdateCounterRequestSchema.field[name].name;
}

interface FieldsProps {
  readonly form: SettingsForm;
  /** What the initial value is here for. */
  readonly initialLabel: string;
  readonly refusal: WrongAt;
}

/** What a setting is typed or chosen in, and whether it says itself what is wrong with it. */
interface Shown {
  readonly show: (props: FieldsProps) => ComponentChildren;
  readonly saysWhatIsWrong?: true;
  /** Beside others, because it is narrow. */
  readonly narrow?: true;
}

/** Every setting, in the order in which they are shown. */
const SHOWN: Readonly<Record<SettingName, Shown>> = {
  initial: {
    narrow: true,
    saysWhatIsWrong: true,
    show: ({ form: { initial, checked }, initialLabel, refusal }) => (
      <Field
        label={initialLabel}
        value={initial.field.value}
        onInput={(text) => (initial.field.value = text)}
        wrong={checked.value && initial.read() === undefined ? NOT_A_COUNT : refusal("initial")}
        numeric
      />
    ),
  },
  min: {
    narrow: true,
    saysWhatIsWrong: true,
    show: (props) => <BoundField {...props} name="min" label="Minimum" />,
  },
  max: {
    narrow: true,
    saysWhatIsWrong: true,
    show: (props) => <BoundField {...props} name="max" label="Maximum" />,
  },
  onBound: {
    show: ({ form: { onBound } }) => (
      <fieldset>
        <legend>What would pass a bound</legend>
        <Choice name="bound" of={onBound.field} is={OnBound.REJECT} text="is refused" />
        <Choice name="bound" of={onBound.field} is={OnBound.CLAMP} text="stops at the bound" />
      </fieldset>
    ),
  },
  monotonic: {
    show: ({ form: { monotonic } }) => (
      <label class="choice">
        <input
          class="tick"
          type="checkbox"
          checked={monotonic.field.value}
          onChange={({ currentTarget }) => (monotonic.field.value = currentTarget.checked)}
        />
        It never goes down
      </label>
    ),
  },
  description: {
    saysWhatIsWrong: true,
    show: ({ form: { description }, refusal }) => (
      <Field
        label="Description (optional)"
        value={description.field.value}
        onInput={(text) => (description.field.value = text)}
        wrong={refusal("description")}
      />
    ),
  },
  labels: {
    saysWhatIsWrong: true,
    show: ({ form, refusal }) => (
      <LabelsField form={form.labels} checked={form.checked.value} refusal={refusal} />
    ),
  },
};

const SETTING_NAMES = Object.keys(SHOWN) as SettingName[];

/** The fields that say what is wrong with them, as the .proto names them. */
export const SETTINGS_FIELDS: readonly string[] = SETTING_NAMES.filter(
  (name) => SHOWN[name].saysWhatIsWrong,
).map(pathOf);

/** The fields of all settings. */
export function SettingsFields(props: FieldsProps) {
  const narrow = SETTING_NAMES.filter((name) => SHOWN[name].narrow);
  const wide = SETTING_NAMES.filter((name) => !SHOWN[name].narrow);
  return (
    <>
      <div class="columns">{narrow.map((name) => SHOWN[name].show(props))}</div>
      {wide.map((name) => SHOWN[name].show(props))}
    </>
  );
}

function BoundField({ form, refusal, name, label }: FieldsProps & { name: "min" | "max"; label: string }) {
  const { field, read } = form[name];
  return (
    <Field
      label={label}
      value={field.value}
      onInput={(text) => (field.value = text)}
      wrong={form.checked.value && read() === undefined ? NOT_A_COUNT : refusal(pathOf(name))}
      placeholder="none"
      numeric
    />
  );
}

interface ChoiceProps<T> {
  /** What the choices that exclude each other have in common. */
  readonly name: string;
  readonly of: Signal<T>;
  readonly is: T;
  readonly text: string;
}

function Choice<T>({ name, of, is, text }: ChoiceProps<T>) {
  return (
    <label class="choice">
      <input
        class="tick"
        type="radio"
        name={name}
        checked={of.value === is}
        onChange={() => (of.value = is)}
      />
      {text}
    </label>
  );
}
