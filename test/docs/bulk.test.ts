/** So does the page about many counters at once: what is asked, what is told, what is skipped. */
import { runsAsShown } from "./shown.ts";

await runsAsShown("docs/bulk.md");
