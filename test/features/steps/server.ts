/** What happens to the server. */
import { step } from "../steps.ts";

step("the server is restarted", (world) => world.restart());

step("the server runs in a process of its own", (world) => world.startProcess());

step("the server is killed and started again", (world) => world.killAndRestart());
