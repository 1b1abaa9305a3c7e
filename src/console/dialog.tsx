import type { Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import type { Changes } from "./change.ts";
import { formatCount } from "./numbers.ts";
import type { Problem } from "./problem.ts";
import { ProblemNote, Resending } from "./problem-note.tsx";

interface DialogProps {
  readonly title: string;
  /** What the button says that does it. */
  readonly verb: string;
  readonly dangerous?: boolean;
  /** The change that the dialog is for: while it is on its way the dialog stays. */
  readonly changes: Changes;
  /** The fields that it has, as the .proto names them: what is wrong with one of them stands beside it. */
  readonly fields?: readonly string[];
  readonly onSubmit: () => void;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

/** A question above the page. The browser keeps the focus inside, and gives it back. */
export function Dialog({
  title,
  verb,
  dangerous,
  changes,
  fields = [],
  onSubmit,
  onClose,
  children,
}: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  // Before anything is painted, so that no key that is pressed meanwhile is lost. The first field has the focus.
  useLayoutEffect(() => {
    const element = dialog.current!;
    element.showModal();
    return () => element.close();
  }, []);
  const state = changes.state.value;
  // The answer may come below the edge of a small screen.
  useLayoutEffect(() => {
    if (state.kind !== "failed") return;
    focusWrong(dialog.current!);
    dialog.current!.querySelector(".note")?.scrollIntoView({ block: "nearest" });
  }, [state]);
  const busy = state.kind === "sent" || state.kind === "resent";
  return (
    <dialog
      ref={dialog}
      aria-labelledby={titleId}
      // One that has gone is told of its closing later, when another dialog may be open.
      onClose={() => dialog.current !== null && onClose()}
      onCancel={(event) => {
        // Closed at once, as everything else is: "close" comes later, when another dialog may be open.
        event.preventDefault();
        if (!busy) onClose();
      }}
    >
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy) onSubmit();
          // The first field that is wrong, once it is marked.
          requestAnimationFrame(() => dialog.current && focusWrong(dialog.current));
        }}
      >
        <h2 id={titleId}>{title}</h2>
        {children}
        {state.kind === "failed" && !standsAtField(state.problem, fields) && (
          <ProblemNote problem={state.problem} />
        )}
        {state.kind === "resent" && <Resending problem={state.problem} stop={() => changes.stop()} />}
        <div class="choices">
          <button type="button" aria-disabled={busy} onClick={() => busy || onClose()}>
            Cancel
          </button>
          <button type="submit" class={dangerous ? "danger" : "primary"} aria-disabled={busy}>
            {verb}
          </button>
        </div>
      </form>
    </dialog>
  );
}

function focusWrong(dialog: HTMLElement): void {
  dialog.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
}

function standsAtField({ field }: Problem, fields: readonly string[]): boolean {
  return (
    field !== undefined &&
    (fields.includes(field) || (fields.includes("labels") && field.startsWith("labels[")))
  );
}

/** What to say beside a field that the last change was refused for; undefined when it was not. */
export type WrongAt = (field: string) => string | undefined;

/** What a refusal says of each field; undefined of one that it does not name. */
export function wrongAt({ state }: Changes): WrongAt {
  const now = state.value;
  return (field) => (now.kind === "failed" && now.problem.field === field ? now.problem.atField : undefined);
}

interface FieldProps {
  readonly label: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
  /** What is wrong with it, if anything is. */
  readonly wrong?: string | undefined;
  readonly hint?: string;
  readonly placeholder?: string;
  readonly numeric?: boolean;
  /** The id of a datalist: what to choose from. */
  readonly list?: string;
}

/** A field for a line of text, with its label, what it is for, and what is wrong with it. */
export function Field({ label, value, onInput, wrong, hint, placeholder, numeric, list }: FieldProps) {
  return (
    <Labelled label={label} wrong={wrong} hint={hint}>
      {(id, described) => (
        <input
          id={id}
          class={numeric ? "amount" : undefined}
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          inputMode={numeric ? "text" : undefined} // "numeric" has no minus on phones.
          placeholder={placeholder}
          list={list}
          value={value}
          aria-invalid={wrong !== undefined}
          aria-describedby={described}
          onInput={({ currentTarget }) => onInput(currentTarget.value)}
        />
      )}
    </Labelled>
  );
}

interface LabelledProps {
  readonly label: string;
  readonly wrong?: string | undefined;
  readonly hint?: string | undefined;
  /** @param described  by what it is described, for the screen reader */
  readonly children: (id: string, described: string | undefined) => ComponentChildren;
}

/** What is typed or chosen in, under its label, and below it what it is for and what is wrong with it. */
export function Labelled({ label, wrong, hint, children }: LabelledProps) {
  const id = useId();
  const described = [...(hint ? [`${id}-hint`] : []), ...(wrong ? [`${id}-wrong`] : [])].join(" ");
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children(id, described || undefined)}
      {hint && (
        <p id={`${id}-hint`} class="hint">
          {hint}
        </p>
      )}
      {wrong && (
        <p id={`${id}-wrong`} class="wrong" role="alert">
          {wrong}
        </p>
      )}
    </div>
  );
}

interface ChoiceProps<T> {
  /** What the choices that exclude each other have in common. */
  readonly name: string;
  readonly of: Signal<T>;
  readonly is: T;
  readonly text: string;
}

/** One of several choices that exclude each other. */
export function Choice<T>({ name, of, is, text }: ChoiceProps<T>) {
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

/** What a value is, and what it is to be; undefined for one that is gone, or that nobody has said yet. */
export function ValueChange({ now, becomes }: { now: bigint | undefined; becomes: bigint | undefined }) {
  return (
    <dl>
      <dt>Now</dt>
      <dd>{now === undefined ? "gone" : formatCount(now)}</dd>
      {now !== undefined && becomes !== undefined && (
        <>
          <dt>Changes by</dt>
          <dd>{signed(becomes - now)}</dd>
        </>
      )}
    </dl>
  );
}

function signed(difference: bigint): string {
  return difference > 0n ? `+${formatCount(difference)}` : formatCount(difference);
}

/** Whether a change is made only if nobody else has made one since the counter was read. */
export function OnlyIfUnchanged({ checked }: { checked: Signal<boolean> }) {
  return (
    <label class="choice">
      <input
        class="tick"
        type="checkbox"
        checked={checked.value}
        onChange={({ currentTarget }) => (checked.value = currentTarget.checked)}
      />
      Only if nobody else changes it meanwhile
    </label>
  );
}
