/** The tour shows what one sees, and of a checkout: other pages have Tally of bundles, which starts sooner. */
import { TALLY_OF_SOURCES } from "../support/bundles/command.ts";
import { runsAsShown } from "./shown.ts";

await runsAsShown("docs/tour.md", { tally: TALLY_OF_SOURCES });
