/** So does the page about time: a quota a day, a token bucket, login attempts that are forgotten. */
import { runsAsShown } from "./shown.ts";

await runsAsShown("docs/time.md");
