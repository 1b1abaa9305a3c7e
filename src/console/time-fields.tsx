import { create, type DescMessage, equals, type Message } from "@bufbuild/protobuf";
import { type Duration, DurationSchema, type Timestamp } from "@bufbuild/protobuf/wkt";
import { type Signal, signal } from "@preact/signals";
import { useId } from "preact/hooks";
import {
  CalendarUnit,
  type Counter,
  RefillSchema,
  type Window,
  WindowSchema,
} from "../../gen/browser/tally/v1/counter_pb.ts";
import { Choice, Field, Labelled, type WrongAt } from "./dialog.tsx";
import { countFault, formatCount, parseCount } from "./numbers.ts";
import { CALENDAR_WORDS, lengthOf, partsOf, UNITS } from "./times.ts";

type InTime = Pick<Counter, "window" | "refill" | "idleTtl">;

/** A length of time as it is typed: a number, and what it is counted in. */
class LengthForm {
  readonly count: Signal<string>;
  readonly unitMs: Signal<number>;

  constructor(count: string, unitMs: number) {
    this.count = signal(count);
    this.unitMs = signal(unitMs);
  }

  fill(length: Duration): void {
    const { count, unitMs } = partsOf(length);
    this.count.value = formatCount(BigInt(count));
    this.unitMs.value = unitMs;
  }

  /** What is wrong with it, for the person; undefined when nothing is. */
  fault(): string | undefined {
    return countFault(this.count.value, true) ?? (this.read() === undefined ? "It is too long." : undefined);
  }

  /** Undefined when it means nothing. */
  read(): Duration | undefined {
    const count = parseCount(this.count.value);
    const most = BigInt(Math.floor(Number.MAX_SAFE_INTEGER / this.unitMs.value));
    const isOne = count !== undefined && count > 0n && count <= most;
    return isOne ? lengthOf(Number(count), this.unitMs.value) : undefined;
  }
}

const [MILLISECOND, SECOND, , HOUR, DAY] = UNITS;

/** What time does to a counter, as it is chosen and typed. */
export class TimeForm {
  readonly kind = signal<"nothing" | "window" | "refill">("nothing");
  /** Of a window: a unit of the calendar, or a length of its own. */
  readonly unit = signal<CalendarUnit | "length">(CalendarUnit.DAY);
  readonly zone = signal(HERE);
  readonly day = signal("1");
  readonly length = new LengthForm("1", HOUR.ms);
  readonly amount = signal("1");
  readonly each = new LengthForm("1", SECOND.ms);
  readonly idle = new LengthForm("", DAY.ms);
  /** At which instant one begins: it is not asked here, and stays what it was. */
  #anchor: Timestamp | undefined;

  readonly window = {
    fill: (now: InTime, before: InTime | undefined) => {
      if (this.#isTouched("window", before)) return;
      if (now.window === undefined) return this.#leave("window");
      this.kind.value = "window";
      const { span, timeZone, day = 1, anchor } = now.window;
      if (span.case === "calendar") {
        this.unit.value = span.value;
        this.zone.value = timeZone;
        this.day.value = `${day}`;
      } else {
        this.unit.value = "length";
        this.length.fill(span.value!);
        this.#anchor = anchor;
      }
    },
    read: () => {
      if (this.kind.value !== "window") return {};
      const window = this.#readWindow();
      return window && { window };
    },
  };

  readonly refill = {
    fill: (now: InTime, before: InTime | undefined) => {
      if (this.#isTouched("refill", before)) return;
      if (now.refill === undefined) return this.#leave("refill");
      this.kind.value = "refill";
      this.amount.value = formatCount(now.refill.amount);
      this.each.fill(now.refill.every!);
    },
    read: () => {
      if (this.kind.value !== "refill") return {};
      const [amount, every] = [this.readAmount(), this.each.read()];
      if (amount === undefined || every === undefined) return undefined;
      return { refill: create(RefillSchema, { amount, every }) };
    },
  };

  readonly idleTtl = {
    fill: (now: InTime, before: InTime | undefined) => {
      if (this.#isTouched("idleTtl", before)) return;
      if (now.idleTtl === undefined) this.idle.count.value = "";
      else this.idle.fill(now.idleTtl);
    },
    read: () => {
      if (this.idle.count.value.trim() === "") return {};
      const idleTtl = this.idle.read();
      return idleTtl && { idleTtl };
    },
  };

  /** How much comes back each time; undefined when it means nothing. */
  readAmount(): bigint | undefined {
    const amount = parseCount(this.amount.value);
    return amount !== undefined && amount > 0n ? amount : undefined;
  }

  /** The day of a month; undefined when it means nothing. */
  readDay(): number | undefined {
    return /^([1-9]|[12]\d|3[01])$/.test(this.day.value.trim()) ? Number(this.day.value) : undefined;
  }

  #readWindow(): Window | undefined {
    const unit = this.unit.value;
    if (unit === "length") {
      const value = this.length.read();
      const anchor = this.#anchor && { anchor: this.#anchor };
      return value && create(WindowSchema, { span: { case: "every", value }, ...anchor });
    }
    const [timeZone, day] = [this.zone.value.trim(), this.readDay()];
    const ofMonth = unit === CalendarUnit.MONTH;
    if (timeZone === "" || (ofMonth && day === undefined)) return undefined;
    const from = ofMonth && day !== 1 ? { day: day! } : {};
    return create(WindowSchema, { span: { case: "calendar", value: unit }, timeZone, ...from });
  }

  /** Whether the person has changed it since it was filled with what was before. */
  #isTouched(name: keyof InTime, before: InTime | undefined): boolean {
    const read: Partial<InTime> | undefined = this[name].read();
    return before !== undefined && (read === undefined || !isSame(name, read[name], before[name]));
  }

  #leave(kind: "window" | "refill"): void {
    if (this.kind.value === kind) this.kind.value = "nothing";
  }
}

/** Where the reader is. */
const HERE = Intl.DateTimeFormat().resolvedOptions().timeZone;

const SCHEMAS = { window: WindowSchema, refill: RefillSchema, idleTtl: DurationSchema };

/** Whether the same of two settings that are messages, or none, is said. */
export function isSame(name: keyof InTime, a: Message | undefined, b: Message | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equals(SCHEMAS[name] as DescMessage, a, b);
}

interface TimeProps {
  readonly form: TimeForm;
  readonly checked: boolean;
  readonly refusal: WrongAt;
}

/** What time does to the value. */
export function ValueInTime(props: TimeProps) {
  const { kind } = props.form;
  return (
    <fieldset>
      <legend>As time passes</legend>
      <Choice name="time" of={kind} is="nothing" text="it stays" />
      <Choice name="time" of={kind} is="window" text="it starts anew" />
      <Choice name="time" of={kind} is="refill" text="it goes back bit by bit" />
      {kind.value === "window" && <WindowFields {...props} />}
      {kind.value === "refill" && <RefillFields {...props} />}
    </fieldset>
  );
}

function WindowFields({ form, checked, refusal }: TimeProps) {
  const unit = form.unit.value;
  const zones = useId();
  const choose = (value: string) =>
    (form.unit.value = value === "length" ? "length" : (Number(value) as CalendarUnit));
  return (
    <div class="in-time">
      <Labelled label="How often">
        {(id) => (
          <select id={id} value={`${unit}`} onChange={({ currentTarget }) => choose(currentTarget.value)}>
            {Object.entries(CALENDAR_WORDS).map(
              ([value, word]) =>
                word !== "" && (
                  <option key={value} value={value} selected={value === `${unit}`}>
                    each {word}
                  </option>
                ),
            )}
            <option value="length" selected={unit === "length"}>
              after a time of its own
            </option>
          </select>
        )}
      </Labelled>
      {unit === "length" && (
        <LengthField
          label="Time until it starts anew"
          form={form.length}
          from={SECOND.ms}
          wrong={(checked && form.length.fault()) || refusal("window.every")}
        />
      )}
      {unit !== "length" && (
        <Field
          label="Time zone"
          value={form.zone.value}
          onInput={(text) => (form.zone.value = text)}
          wrong={
            checked && form.zone.value.trim() === ""
              ? "A time zone, such as Europe/Berlin."
              : refusal("window.time_zone")
          }
          list={zones}
        />
      )}
      {unit === CalendarUnit.MONTH && (
        <Field
          label="On day"
          value={form.day.value}
          onInput={(text) => (form.day.value = text)}
          wrong={checked && form.readDay() === undefined ? "A day from 1 to 31." : refusal("window.day")}
          hint="Or the last, where the month is shorter."
          numeric
        />
      )}
      <datalist id={zones}>
        {["UTC", ...Intl.supportedValuesOf("timeZone")].map((zone) => (
          <option key={zone} value={zone} />
        ))}
      </datalist>
    </div>
  );
}

function RefillFields({ form, checked, refusal }: TimeProps) {
  const wrongAmount = (checked && countFault(form.amount.value, true)) || undefined;
  return (
    <div class="in-time">
      <Field
        label="By how much"
        value={form.amount.value}
        onInput={(text) => (form.amount.value = text)}
        wrong={wrongAmount ?? refusal("refill.amount") ?? refusal("refill")}
        numeric
      />
      <LengthField
        label="Each"
        form={form.each}
        from={MILLISECOND.ms}
        wrong={(checked && form.each.fault()) || refusal("refill.every")}
      />
    </div>
  );
}

/** After how long without a change it is deleted. */
export function IdleField({ form, checked, refusal }: TimeProps) {
  return (
    <LengthField
      label="Delete it when idle for (optional)"
      form={form.idle}
      from={SECOND.ms}
      wrong={(checked && form.idleTtl.read() === undefined && form.idle.fault()) || refusal("idle_ttl")}
      placeholder="never"
    />
  );
}

interface LengthProps {
  readonly label: string;
  readonly form: LengthForm;
  /** The shortest unit there is to choose. */
  readonly from: number;
  readonly wrong: string | undefined;
  readonly placeholder?: string;
}

function LengthField({ label, form: { count, unitMs }, from, wrong, placeholder }: LengthProps) {
  return (
    <Labelled label={label} wrong={wrong}>
      {(id, described) => (
        <div class="length">
          <input
            id={id}
            class="amount"
            autocomplete="off"
            inputMode="numeric"
            placeholder={placeholder}
            value={count.value}
            aria-invalid={wrong !== undefined}
            aria-describedby={described}
            onInput={({ currentTarget }) => (count.value = currentTarget.value)}
          />
          <select
            aria-label={`${label.replace(" (optional)", "")}: unit`}
            onChange={({ currentTarget }) => (unitMs.value = Number(currentTarget.value))}
          >
            {UNITS.filter(({ ms }) => ms >= from).map(({ ms, one }) => (
              <option key={ms} value={ms} selected={ms === unitMs.value}>
                {one}s
              </option>
            ))}
          </select>
        </div>
      )}
    </Labelled>
  );
}
