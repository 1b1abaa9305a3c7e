/** The settings of a counter as messages of the API have them. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type CounterSchema, type CounterSettings, OnBound } from "../../../gen/tally/v1/counter_pb.ts";
import type { CreateCounterRequest, UpdateCounterRequest } from "../../../gen/tally/v1/counter_service_pb.ts";
import type { Refusal } from "../../core/errors.ts";
import { DEFAULTS, SETTING_KEYS, SETTINGS, type SettingKey, type Settings } from "../../core/settings.ts";
import { IDLE_TTL, REFILL, timeFault, WINDOW } from "./time-fields.ts";

/** "onBound" for "on_bound". */
type Camel<Field extends string> = Field extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Field;

type NameOf<Key extends SettingKey> = Camel<(typeof SETTINGS)[Key]["field"]>;

/** What a message has of each setting: it does not compile while the table of settings and the messages disagree. */
type Given<Key extends SettingKey> = Exclude<Required<UpdateCounterRequest>[NameOf<Key>], undefined>;

/** Those that messages have in another form. */
type Other = {
  [Key in SettingKey]: [Given<Key>] extends [Settings[Key]] ? never : Key;
}[SettingKey];

/** What the API has and the table of settings has not: then add it there. */
type Missing = Exclude<
  keyof UpdateCounterRequest,
  | NameOf<SettingKey>
  | (
      | "$typeName"
      | "$unknown"
      | "name"
      | "updateMask"
      | "requestId"
      | "settingsEtag"
      | "note"
      | "followPolicy"
    )
>;

/** And how. */
const FORMS: { readonly [Key in Other]: Form<Given<Key>, Settings[Key]> } & Readonly<Record<Missing, never>> =
  {
    clamp: {
      from: (onBound) => onBound === OnBound.CLAMP,
      to: (clamp) => (clamp ? OnBound.CLAMP : OnBound.REJECT),
    },
    window: WINDOW,
    refill: REFILL,
    idleTtlMs: IDLE_TTL,
  };

interface Form<Message, Value> {
  from(message: Message): Value;
  to(value: Value): Message;
}

/** Every setting: the field of the messages, and its form. */
const FIELDS = SETTING_KEYS.map((key) => ({
  key,
  name: SETTINGS[key].field.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
  form: (FORMS as Partial<Record<SettingKey, Form<unknown, unknown>>>)[key],
}));

/** The settings that a creation asks for: all, what was left out at its default. */
export function settingsOf(request: CreateCounterRequest | CounterSettings): Settings {
  const settings = { ...DEFAULTS, ...givenIn(request) };
  return settings.idleTtlMs === 0n ? { ...settings, idleTtlMs: undefined } : settings;
}

/** The settings for a counter that a change makes; or why they are none. */
export function ifMissingOf(given: CounterSettings | undefined): Settings | undefined | Refusal {
  if (given === undefined) return undefined;
  const fault = timeFault(given);
  return fault === undefined ? settingsOf(given) : { ...fault, field: `if_missing.${fault.field}` };
}

/** The settings that are set in a request; labels are when there are any. */
export function givenIn(
  request: CreateCounterRequest | UpdateCounterRequest | CounterSettings,
): Partial<Settings> {
  const fields = request as unknown as Record<string, unknown>;
  const settings: Record<string, unknown> = {};
  for (const { key, name, form } of FIELDS) {
    const given = fields[name];
    if (given === undefined || (key === "labels" && Object.keys(given as object).length === 0)) continue;
    settings[key] = form === undefined ? given : form.from(given);
  }
  return settings;
}

/** The same fields of a Counter. */
export function settingFields(settings: Settings): Omit<MessageInitShape<typeof CounterSchema>, "$typeName"> {
  const fields: Record<string, unknown> = {};
  for (const { key, name, form } of FIELDS) {
    if (settings[key] !== undefined)
      fields[name] = form === undefined ? settings[key] : form.to(settings[key]);
  }
  return fields;
}
