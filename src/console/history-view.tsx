import { useSignal } from "@preact/signals";
import type { ComponentProps, FunctionComponent } from "preact";
import { useEffect } from "preact/hooks";
import type { HistoryDialog } from "./history-dialog.tsx";

type Props = ComponentProps<typeof HistoryDialog> & {
  /** Told when it is not to be had: the server has another page by now, or is away. */
  readonly onMissing: () => void;
};

/** The history of a counter. What draws it is loaded when it is first asked for: it is a third as large as all else. */
export function HistoryView({ onMissing, ...props }: Props) {
  const view = useSignal<{ readonly Dialog: FunctionComponent<Omit<Props, "onMissing">> } | undefined>(
    undefined,
  );
  useEffect(() => {
    import("./history-dialog.tsx").then(
      ({ HistoryDialog: Dialog }) => (view.value = { Dialog }),
      () => onMissing(),
    );
  }, []);
  const Dialog = view.value?.Dialog;
  return Dialog === undefined ? null : <Dialog {...props} />;
}
