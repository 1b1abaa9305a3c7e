/** The stores that have columns for windows, refills and idle TTLs; the others refuse them. */
export const KEEPS_TIME: ReadonlySet<string> = new Set(["memory", "postgres"]);
