/** Where the keyboard is among the rows. */

/** Arrow keys lead from a control of a row to the same one of the row above or below. */
export function moveAmongRows(event: KeyboardEvent): void {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  const control =
    event.target instanceof HTMLElement ? event.target.closest<HTMLElement>("[data-does]") : null;
  const row = control?.closest("li");
  if (step === 0 || !row || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const other = step === 1 ? row.nextElementSibling : row.previousElementSibling;
  other?.querySelector<HTMLElement>(`[data-does="${control!.dataset.does}"]`)?.focus();
}

/** The row to go to when one goes away: the one below, or else the one above. */
export function neighbourOf(name: string, names: readonly string[]): string | undefined {
  const at = names.indexOf(name);
  return names[at + 1] ?? names[at - 1];
}

/** Put the focus on a row's last control; on the heading when there is no such row. */
export function focusRow(name: string | undefined): void {
  const row = name === undefined ? null : document.querySelector(`li[data-name="${CSS.escape(name)}"]`);
  const control = row?.querySelector<HTMLElement>('[data-does="delete"]');
  (control ?? document.querySelector<HTMLElement>("h1"))?.focus();
}
