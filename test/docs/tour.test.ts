/** The tour shows what one sees. */
import { runsAsShown } from "./shown.ts";

await runsAsShown("docs/tour.md");
