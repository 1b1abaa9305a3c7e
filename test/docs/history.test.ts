/** So does the page about history: steps, sums of a prefix, who changed what, what it was. */
import { runsAsShown } from "./shown.ts";

await runsAsShown("docs/history.md");
