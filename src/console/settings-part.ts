/** The form of a counter's settings, and the dialog that is nothing else: loaded when one of them is first asked for. */
export { EditDialog } from "./edit-dialog.tsx";
export { SETTINGS_FIELDS, SettingsFields, SettingsForm } from "./settings-form.tsx";
