// Loaded before a program: writes the URLs of all modules that it loads into the file $RECORD_MODULES.
import { writeFileSync } from "node:fs";
import { registerHooks } from "node:module";

const urls = [];
registerHooks({
  load(url, context, next) {
    urls.push(url);
    return next(url, context);
  },
});
process.on("exit", () => writeFileSync(process.env.RECORD_MODULES, urls.join("\n")));
