/** So does the page about backups: one is made beside the server, restored, and verified. */
import { runsAsShown } from "./shown.ts";

await runsAsShown("docs/backup.md", {
  others: ["toml", "promql", "ini", "text"], // Settings, and PostgreSQL's own means: each has a test of its own.
});
