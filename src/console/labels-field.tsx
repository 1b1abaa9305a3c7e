import { signal } from "@preact/signals";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import type { WrongAt } from "./dialog.tsx";

type Labels = Readonly<Record<string, string>>;

interface Labelled {
  readonly labels: Labels;
}

/** A label as it is typed. */
interface Pair {
  /** Tells pairs apart, whatever is typed. */
  readonly id: number;
  readonly key: string;
  readonly value: string;
}

/** Labels as they are typed: one of which nothing was typed is none. */
export class LabelsForm {
  readonly pairs = signal<readonly Pair[]>([]);
  #nextId = 1;

  /** @param before  as for SettingsForm.fill */
  fill(now: Labelled, before: Labelled | undefined): void {
    const entries = (labels: Labels) => JSON.stringify(Object.entries(labels).sort());
    if (before !== undefined && entries(this.#typed()) !== entries(before.labels)) return;
    this.pairs.value = Object.entries(now.labels).map(([key, value]) => ({ id: this.#nextId++, key, value }));
  }

  /** @returns  what tells the new one apart */
  add(): number {
    const id = this.#nextId++;
    this.pairs.value = [...this.pairs.value, { id, key: "", value: "" }];
    return id;
  }

  remove(id: number): void {
    this.pairs.value = this.pairs.value.filter((pair) => pair.id !== id);
  }

  type(id: number, typed: Partial<Pick<Pair, "key" | "value">>): void {
    this.pairs.value = this.pairs.value.map((pair) => (pair.id === id ? { ...pair, ...typed } : pair));
  }

  /** Undefined when a key is missing or there twice. */
  read(): { labels: Record<string, string> } | undefined {
    if (this.pairs.value.some((pair) => this.faultOf(pair) !== undefined)) return undefined;
    return { labels: this.#typed() };
  }

  faultOf({ id, key, value }: Pair): string | undefined {
    const name = key.trim();
    if (name === "") return value === "" ? undefined : "A label needs a key, such as team.";
    const twice = this.pairs.value.some((other) => other.id < id && other.key.trim() === name);
    return twice ? "This key is there twice." : undefined;
  }

  #typed(): Record<string, string> {
    const pairs = this.pairs.value.filter(({ key }) => key.trim() !== "");
    return Object.fromEntries(pairs.map(({ key, value }) => [key.trim(), value]));
  }
}

interface LabelsProps {
  readonly form: LabelsForm;
  readonly checked: boolean;
  /** What the server refused: `labels["Team"]` is one of them, `labels` all. */
  readonly refusal: WrongAt;
}

/** The labels of a counter: a row for each pair, and one to add. */
export function LabelsField({ form, checked, refusal }: LabelsProps) {
  const fields = useRef<HTMLFieldSetElement>(null);
  const id = useId();
  /** Where the focus is to go once it is there. */
  const next = useRef<string | undefined>(undefined);
  const pairs = form.pairs.value;
  // Before anything is painted, so that no key that is pressed meanwhile is lost.
  useLayoutEffect(() => {
    if (next.current === undefined) return;
    fields.current!.querySelector<HTMLElement>(next.current)?.focus();
    next.current = undefined;
  });
  const remove = (index: number) => {
    // What had the focus goes: the one below has it, or the one above, or the button to add one.
    const neighbour = pairs[index + 1] ?? pairs[index - 1];
    next.current = neighbour === undefined ? ".add" : `[data-pair="${neighbour.id}"] button`;
    form.remove(pairs[index]!.id);
  };
  return (
    <fieldset class="labels-field" ref={fields} aria-describedby={`${id}-hint`}>
      <legend>Labels (optional)</legend>
      {pairs.map((pair, index) => {
        const fault = checked ? form.faultOf(pair) : undefined;
        return (
          <LabelPair
            key={pair.id}
            pair={pair}
            number={index + 1}
            wrong={fault ?? refusal(`labels[${JSON.stringify(pair.key.trim())}]`)}
            onType={(typed) => form.type(pair.id, typed)}
            onRemove={() => remove(index)}
          />
        );
      })}
      <button
        type="button"
        class="add"
        onClick={() => {
          next.current = `[data-pair="${form.add()}"] input`;
        }}
      >
        Add a label
      </button>
      {refusal("labels") && (
        <p class="wrong" role="alert">
          {refusal("labels")}
        </p>
      )}
      <p id={`${id}-hint`} class="hint">
        Such as team = web. Keys are of small letters, digits, &ldquo;_&rdquo;, &ldquo;.&rdquo; and
        &ldquo;-&rdquo;.
      </p>
    </fieldset>
  );
}

interface PairProps {
  readonly pair: Pair;
  /** Its place, from 1. */
  readonly number: number;
  readonly wrong: string | undefined;
  readonly onType: (typed: Partial<Pick<Pair, "key" | "value">>) => void;
  readonly onRemove: () => void;
}

function LabelPair({ pair, number, wrong, onType, onRemove }: PairProps) {
  const id = useId();
  const common = { autocomplete: "off", autocapitalize: "off", spellcheck: false } as const;
  return (
    <div class="pair" data-pair={pair.id}>
      <input
        {...common}
        aria-label={`Key of label ${number}`}
        placeholder="key"
        value={pair.key}
        aria-invalid={wrong !== undefined}
        aria-describedby={wrong && id}
        onInput={({ currentTarget }) => onType({ key: currentTarget.value })}
      />
      <span aria-hidden="true">=</span>
      <input
        {...common}
        aria-label={`Value of label ${number}`}
        placeholder="value"
        value={pair.value}
        onInput={({ currentTarget }) => onType({ value: currentTarget.value })}
      />
      <button
        type="button"
        class="quiet"
        aria-label={`Remove label ${number}${pair.key.trim() && `, ${pair.key.trim()}`}`}
        onClick={onRemove}
      >
        Remove
      </button>
      {wrong && (
        <p id={id} class="wrong" role="alert">
          {wrong}
        </p>
      )}
    </div>
  );
}
