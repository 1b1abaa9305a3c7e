/** What a bundle need not do at each start that the sources do, without another outcome. */
import { isBuiltin } from "node:module";
import type { Plugin } from "vite";

/**
 * Take what Node.js brings as `require` does. For an `import`, each property of such a module is read first, and some
 * load more when they are: that of node:http loads undici, that of node:fs its streams.
 */
export function builtinsAsRequired(): Plugin {
  return { name: "builtins-as-required", renderChunk: asRequired };
}

/** The same of a source. */
export function asRequired(code: string): string {
  return code.replace(
    /^import (?:(\w[\w$]*)(?:, )?)?(?:\* as ([\w$]+)|(\{[^}]*\}))? ?from "([\w:/]+)";$/gm,
    (
      whole,
      byDefault: string | undefined,
      all: string | undefined,
      some: string | undefined,
      module: string,
    ) => {
      if (!isBuiltin(module)) return whole;
      const given = [byDefault, all, some?.replace(/\bdefault as /g, "default: ").replace(/ as /g, ": ")];
      return given
        .filter((name) => name !== undefined && name !== "")
        .map((name) => `const ${name} = process.getBuiltinModule("${module}");`)
        .join(" ");
    },
  );
}

/** Load what starts processes with the first one: commander has commands that are programs of their own, and Tally none. */
export function processesWhenStarted(): Plugin {
  return lazier("processes-when-started", "commander/lib/command.js", {
    "import childProcess from 'node:child_process';":
      "const childProcess = { get spawn() { return process.getBuiltinModule('node:child_process').spawn; } };",
  });
}

/**
 * Compile what judges a kind of request with the first of that kind, and not that of all kinds before the first call: a server
 * of a test is called a few times, and most are started to see something else.
 */
export function judgesWhenAskedFor(): Plugin {
  return lazier("judges-when-asked-for", "src/transports/calls/shape.ts", {
    "if (warm.has(schema)) continue;": "continue;",
  });
}

/**
 * Compile a standard rule of protovalidate when it is first asked for: of each kind of field it compiles all that there
 * are, some forty for a text, before it leaves those aside that it knows without their expression.
 */
export function rulesWhenAskedFor(): Plugin {
  return lazier("rules-when-asked-for", "@bufbuild/protovalidate/dist/esm/cel.js", {
    "    compileRulesUncached(descMessage) {\n":
      "    compileRulesUncached(descMessage) {\n        const manager = this;\n",
    "compiled: this.compileRule(rule)":
      "once: undefined, get compiled() { return (this.once ??= manager.compileRule(rule)); }",
  });
}

/** @param changes  what stands in the module, which its path ends in, by what is to stand there */
function lazier(name: string, module: string, changes: Readonly<Record<string, string>>): Plugin {
  return {
    name,
    transform(code, id) {
      if (!id.endsWith(module)) return undefined;
      return Object.entries(changes).reduce((code, [from, to]) => {
        if (!code.includes(from))
          throw new Error(`${id} has changed; test/support/bundles/lighter.ts must, too`);
        return code.replaceAll(from, to);
      }, code);
    },
  };
}
