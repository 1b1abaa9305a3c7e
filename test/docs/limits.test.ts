/** What the page about limits shows is so: four recipes, from the command line and over REST. */
import { runsAsShown } from "./shown.ts";

await runsAsShown("docs/limits.md");
