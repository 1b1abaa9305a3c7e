import { type Signal, signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { type Counter, OnBound } from "../../gen/browser/tally/v1/counter_pb.ts";
import {
  type UpdateCounterRequest,
  UpdateCounterRequestSchema,
} from "../../gen/browser/tally/v1/counter_service_pb.ts";
import { Choice, Field, type WrongAt } from "./dialog.tsx";
import { LabelsField, LabelsForm } from "./labels-field.tsx";
import { countFault, formatCount, parseCount } from "./numbers.ts";
import { IdleField, isSame, TimeForm, ValueInTime } from "./time-fields.tsx";

/** The settings, as messages call them. */
type SettingName = Exclude<
  keyof UpdateCounterRequest,
  "$typeName" | "$unknown" | "name" | "updateMask" | "requestId" | "settingsEtag" | "note" | "followPolicy"
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
  readonly history = typed(
    true,
    ({ history }) => history !== false,
    (history) => ({ history }),
  );
  readonly time = new TimeForm();
  readonly window = this.time.window;
  readonly refill = this.time.refill;
  readonly idleTtl = this.time.idleTtl;
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

function boundFault(text: string): string | undefined {
  return text.trim() === "" ? undefined : countFault(text);
}

/** What differs, as an update_mask names it: a bound that is named and not given is taken away. */
export function changedPaths(before: Settings, after: Settings): string[] {
  return SETTING_NAMES.filter((name) => !isSameSetting(name, before, after)).map(pathOf);
}

function isSameSetting(name: SettingName, before: Settings, after: Settings): boolean {
  if (name === "window" || name === "refill" || name === "idleTtl") {
    return isSame(name, before[name], after[name]);
  }
  return textOf(before[name]) === textOf(after[name]);
}

function textOf(value: Settings[keyof Settings]): string {
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
  /** True: of itself. Or of these fields, as the .proto names them. */
  readonly saysWhatIsWrong?: true | readonly string[];
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
        wrong={(checked.value && countFault(initial.field.value)) || refusal("initial")}
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
    show: ({ form: { monotonic } }) => <Tick of={monotonic.field} text="It never goes down" />,
  },
  window: {
    saysWhatIsWrong: ["window.every", "window.time_zone", "window.day"],
    show: ({ form, refusal }) => (
      <ValueInTime form={form.time} checked={form.checked.value} refusal={refusal} />
    ),
  },
  refill: {
    saysWhatIsWrong: ["refill", "refill.amount", "refill.every"],
    show: () => null, // It is one of the choices beside the window.
  },
  idleTtl: {
    saysWhatIsWrong: true,
    show: ({ form, refusal }) => (
      <IdleField form={form.time} checked={form.checked.value} refusal={refusal} />
    ),
  },
  history: {
    show: ({ form: { history } }) => <Tick of={history.field} text="Its history is kept" />,
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
export const SETTINGS_FIELDS: readonly string[] = SETTING_NAMES.flatMap((name) => {
  const { saysWhatIsWrong = [] } = SHOWN[name];
  return saysWhatIsWrong === true ? [pathOf(name)] : saysWhatIsWrong;
});

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

function Tick({ of, text }: { of: Signal<boolean>; text: string }) {
  return (
    <label class="choice">
      <input
        class="tick"
        type="checkbox"
        checked={of.value}
        onChange={({ currentTarget }) => (of.value = currentTarget.checked)}
      />
      {text}
    </label>
  );
}

function BoundField({ form, refusal, name, label }: FieldsProps & { name: "min" | "max"; label: string }) {
  const { field } = form[name];
  return (
    <Field
      label={label}
      value={field.value}
      onInput={(text) => (field.value = text)}
      wrong={(form.checked.value && boundFault(field.value)) || refusal(pathOf(name))}
      placeholder="none"
      numeric
    />
  );
}
