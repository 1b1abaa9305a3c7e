import { registerHooks } from "node:module";

/**
 * Put this module in the place of one of the product's, in the thread that runs this.
 *
 * A fault is a module that is loaded with `node --import`, so before everything else and in every worker thread,
 * and exports what the replaced module does. It imports the original before it calls this.
 *
 * @param original     the file from the root of the repository, or the name of a package
 * @param replacement  the `import.meta.url` of the fault
 */
export function replaceModule(original: string, replacement: string): void {
  const path = new URL(`../../../../${original}`, import.meta.url).href;
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      const asked = specifier === original || resolved.url === path;
      return asked ? { ...resolved, url: replacement, format: "module-typescript" } : resolved;
    },
  });
}

/** True once in so many times, the first of them at random: a server that is killed soon may not come to so many. */
export function now(times: number): () => boolean {
  let calls = Math.floor(Math.random() * times);
  return () => ++calls % times === 0;
}
