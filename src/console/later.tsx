import { useSignal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { useEffect } from "preact/hooks";

interface Missing {
  /** Told when it is not to be had: the server has another page by now, or is away. */
  readonly onMissing: () => void;
}

/** A dialog that is loaded when it is first asked for: a first visit does without. */
function later<Props extends object>(load: () => Promise<FunctionComponent<Props>>) {
  let loaded: { readonly Dialog: FunctionComponent<Props> } | undefined;
  const prepare = async () => {
    loaded ??= { Dialog: await load() };
    return loaded;
  };
  function Later({ onMissing, ...props }: Props & Missing) {
    const view = useSignal(loaded);
    useEffect(() => {
      if (loaded !== undefined) return;
      prepare().then(
        (there) => {
          view.value = there;
        },
        () => onMissing(),
      );
    }, []);
    const Dialog = view.value?.Dialog;
    return Dialog === undefined ? null : <Dialog {...(props as unknown as Props)} />;
  }
  return Object.assign(Later, { prepare });
}

/** The history of a counter. What draws it is a third as large as all else. */
export const HistoryView = later(() => import("./history-dialog.tsx").then((part) => part.HistoryDialog));

/** What the server is. */
export const ServerView = later(() => import("./server-dialog.tsx").then((part) => part.ServerDialog));

/** Asks for the settings of a counter. */
export const EditView = later(() => import("./settings-part.ts").then((part) => part.EditDialog));

/** Have what is soon asked for loaded behind the first view: keys that are pressed while a dialog loads would be lost. */
export function prepareSoon(): void {
  EditView.prepare().catch(() => {}); // Who asks for it is told.
}
