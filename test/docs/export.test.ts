/** So does the page about exports and imports, with a Redis beside the server. */
import { program } from "../support/needs.ts";
import { REDIS } from "../support/redis.ts";
import { runsAsShown } from "./shown.ts";

await runsAsShown("docs/export.md", { needs: [REDIS, program("redis-cli")], ports: [6379] });
