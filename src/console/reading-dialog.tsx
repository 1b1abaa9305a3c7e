import { type Signal, useSignal, useSignalEffect } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { type Problem, problemOf } from "./problem.ts";
import { ProblemNote } from "./problem-note.tsx";

/**
 * What is read for as long as it is shown: now, so long after each answer, and at once when a signal has changed that `read`
 * looks at before it waits for anything.
 *
 * @returns  why it could not be read the last time; undefined: it could
 */
export function useKeptUp(
  everyMs: number,
  read: (signal: AbortSignal) => Promise<void>,
): Signal<Problem | undefined> {
  const problem = useSignal<Problem | undefined>(undefined);
  useSignalEffect(() => {
    const closing = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const again = async () => {
      try {
        await read(closing.signal);
        if (!closing.signal.aborted) problem.value = undefined;
      } catch (error) {
        if (!closing.signal.aborted) problem.value = problemOf(error);
      }
      if (!closing.signal.aborted) timer = setTimeout(again, everyMs);
    };
    void again();
    return () => {
      closing.abort();
      clearTimeout(timer);
    };
  });
  return problem;
}

interface ReadingProps {
  /** Of the style sheet. */
  readonly name: string;
  readonly title: string;
  /** What has the focus at first, as a selector; by default the browser chooses. */
  readonly focus?: string;
  readonly problem: Problem | undefined;
  readonly isLoading: boolean;
  readonly onClose: () => void;
  /** What stands above the answer, whether or not it is there. */
  readonly above?: ComponentChildren;
  readonly children: ComponentChildren;
}

/** Something to read, above the page. The browser keeps the focus inside, and gives it back. */
export function ReadingDialog({
  name,
  title,
  focus,
  problem,
  isLoading,
  onClose,
  above,
  children,
}: ReadingProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useLayoutEffect(() => {
    const element = dialog.current!;
    element.showModal();
    if (focus !== undefined) element.querySelector<HTMLElement>(focus)!.focus();
    return () => element.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      class={name}
      aria-labelledby={titleId}
      onClose={() => dialog.current !== null && onClose()}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onClose();
        }}
      >
        <h2 id={titleId}>{title}</h2>
        {above}
        {problem && <ProblemNote problem={problem} />}
        {isLoading && problem === undefined && <p class="hint">Loading …</p>}
        {children}
        <div class="choices">
          <button type="submit" class="primary">
            Close
          </button>
        </div>
      </form>
    </dialog>
  );
}
