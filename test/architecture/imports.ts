import { readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import path from "node:path";
import { type ESTree, parseSync, Visitor } from "vite";
import type { Rule } from "./rules.ts";

/** One import of a file, in whatever form. */
export interface Import {
  /** As written; "*" stands for a part that is computed. */
  readonly specifier: string;
  /** It vanishes when types are stripped. */
  readonly typeOnly: boolean;
  /** It is loaded when it is first needed, by `import()`. */
  readonly later: boolean;
  readonly line: number;
}

/**
 * Every module that a source file names: `import`, `export from`, `import()`, types by `import("...")`,
 * `require`, `import.meta.resolve`, and `new URL("...", import.meta.url)`, by which workers are started.
 */
export function importsOf(file: string, source: string): Import[] {
  const { program, errors } = parseSync(file, source);
  if (errors.length > 0) throw new SyntaxError(`${file}: ${errors[0]!.message}`);
  const found: Import[] = [];
  const add = (node: ESTree.Node | null, typeOnly = false, later = false) => {
    if (node === null) return;
    const line = source.slice(0, node.start).split("\n").length;
    found.push({ specifier: textOf(node), typeOnly, later, line });
  };
  new Visitor({
    ImportDeclaration: (node) =>
      add(node.source, node.importKind === "type" || allTypes(node.specifiers.map((s) => s as Named))),
    ExportNamedDeclaration: (node) =>
      add(node.source, node.exportKind === "type" || allTypes(node.specifiers.map((s) => s as Named))),
    ExportAllDeclaration: (node) => add(node.source, node.exportKind === "type"),
    ImportExpression: (node) => add(node.source, false, true),
    TSImportType: (node) => add(node.source, true),
    CallExpression: (node) => {
      if (/^(require|import\.meta\.resolve)$/.test(slice(source, node.callee)))
        add(node.arguments[0] ?? null);
    },
    NewExpression: (node) => {
      const [target, base] = node.arguments;
      if (slice(source, node.callee) !== "URL" || target === undefined || base === undefined) return;
      if (slice(source, base) === "import.meta.url") add(target);
    },
  }).visit(program);
  return found;
}

/** A sentence for each import of a file that its rule does not allow. */
export function violationsOf(file: string, source: string, rules: readonly Rule[]): string[] {
  const rule = rules.find(({ of }) => file.startsWith(of));
  if (rule === undefined)
    return [`${file} has no rule: say in test/architecture/rules.ts whom it may import`];
  return importsOf(file, source)
    .filter((found) => !allowed(file, found, rule))
    .map(
      ({ specifier, typeOnly, line }) =>
        `${file}:${line} imports ${typeOnly ? "types of " : ""}"${specifier}"; ${rule.of} may import only ${whom(rule)}`,
    );
}

/** The same for a file on disk, its path from the root of the repository. */
export function violationsIn(root: string, file: string, rules: readonly Rule[]): string[] {
  return violationsOf(file, readFileSync(path.join(root, file), "utf8"), rules);
}

function allowed(file: string, { specifier, typeOnly }: Import, rule: Rule): boolean {
  if (specifier.startsWith(".")) {
    const target = path.posix.join(path.posix.dirname(file), specifier);
    return rule.own.some((own) => {
      const [, place] = /^types of (.*)$/.exec(own) ?? [];
      return place === undefined ? target.startsWith(own) : typeOnly && target.startsWith(place);
    });
  }
  if (isBuiltin(specifier)) return rule.builtins && !rule.without?.includes(specifier);
  return rule.packages.some((name) => specifier === name || specifier.startsWith(`${name}/`));
}

function whom({ own, packages, builtins, without }: Rule): string {
  const nodes = without === undefined ? "Node's own modules" : `Node's own modules but ${without.join(", ")}`;
  return [...own, ...packages, ...(builtins ? [nodes] : [])].join(", ") || "nothing";
}

type Named = { importKind?: string; exportKind?: string };

function allTypes(specifiers: readonly Named[]): boolean {
  return specifiers.length > 0 && specifiers.every((s) => (s.importKind ?? s.exportKind) === "type");
}

function textOf(node: ESTree.Node): string {
  if (node.type === "Literal") return String(node.value);
  if (node.type === "TemplateLiteral") return node.quasis.map(({ value }) => value.cooked).join("*");
  return "*";
}

function slice(source: string, { start, end }: { start: number; end: number }): string {
  return source.slice(start, end);
}
