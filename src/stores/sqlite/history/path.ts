/** Where the history of a data file stands. */
export function historyPathOf(path: string): string {
  return `${path}-history`;
}
