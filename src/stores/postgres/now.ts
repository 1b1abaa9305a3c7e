/** The database server's clock as it is when a statement comes to it. */
export const NOW_MS = "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
