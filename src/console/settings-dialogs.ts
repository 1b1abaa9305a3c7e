/** The dialogs with a form of a counter's settings, loaded when one of them is first asked for. */
export { CreateDialog } from "./create-dialog.tsx";
export { EditDialog } from "./edit-dialog.tsx";
