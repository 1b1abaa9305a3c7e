/** What a bundle need not do at each start that the sources do, without another outcome. */
import { isBuiltin } from "node:module";
import type { Plugin } from "vite";

/**
 * Take what Node.js brings as `require` does. For an `import`, each property of such a module is read first, and some
 * load more when they are: that of node:http loads undici, that of node:fs its streams.
 */
export function builtinsAsRequired(): Plugin {
  return {
    name: "builtins-as-required",
    renderChunk(code) {
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
    },
  };
}

/**
 * Compile what judges a kind of request with the first of that kind, and not that of all kinds before the first call: a server
 * of a test is called a few times, and most are started to see something else.
 */
export function judgesWhenAskedFor(): Plugin {
  const atOnce = "if (warm.has(schema)) continue;";
  return {
    name: "judges-when-asked-for",
    transform(code, id) {
      if (!id.endsWith("src/transports/calls/shape.ts")) return undefined;
      if (!code.includes(atOnce))
        throw new Error(`${id} has changed; test/support/bundles/lighter.ts must, too`);
      return code.replace(atOnce, "continue;");
    },
  };
}

/**
 * Compile a standard rule of protovalidate when it is first asked for: of each kind of field it compiles all that there
 * are, some forty for a text, before it leaves those aside that it knows without their expression.
 */
export function rulesWhenAskedFor(): Plugin {
  const lazier = {
    "    compileRulesUncached(descMessage) {\n":
      "    compileRulesUncached(descMessage) {\n        const manager = this;\n",
    "compiled: this.compileRule(rule)":
      "once: undefined, get compiled() { return (this.once ??= manager.compileRule(rule)); }",
  };
  return {
    name: "rules-when-asked-for",
    transform(code, id) {
      if (!id.endsWith("@bufbuild/protovalidate/dist/esm/cel.js")) return undefined;
      return Object.entries(lazier).reduce((code, [from, to]) => {
        if (!code.includes(from))
          throw new Error(`${id} has changed; test/support/bundles/lighter.ts must, too`);
        return code.replaceAll(from, to);
      }, code);
    },
  };
}
