import path from "node:path";
import { AstBuilder, compile, GherkinClassicTokenMatcher, Parser } from "@cucumber/gherkin";
import { type GherkinDocument, IdGenerator } from "@cucumber/messages";
import type { Plugin } from "vite";

/** A scenario ready to run: backgrounds and outlines are worked in. */
export interface Scenario {
  readonly name: string;
  readonly steps: readonly ScenarioStep[];
}

export interface ScenarioStep {
  /** Without its keyword: "a counter "visits" at 0". */
  readonly text: string;
  /** Where it stands, for messages: "counting.feature:7". */
  readonly at: string;
  /** Its data table, row by row; empty when it has none. */
  readonly table: readonly (readonly string[])[];
}

/**
 * Makes `.feature` files test files of Vitest.
 *
 * @param runner  the absolute path of a module that exports `runFeature(name, scenarios)`
 */
export function gherkin(runner: string): Plugin {
  return {
    name: "gherkin",
    enforce: "pre",
    transform(source, id) {
      if (!id.endsWith(".feature")) return undefined;
      const { name, scenarios } = readFeature(source, path.basename(id));
      const code = `import { runFeature } from ${JSON.stringify(runner)};
runFeature(${JSON.stringify(name)}, ${JSON.stringify(scenarios)});`;
      return { code, map: null };
    },
  };
}

/** @throws  Gherkin's own error, which says what it expected and where */
export function readFeature(source: string, file: string): { name: string; scenarios: Scenario[] } {
  const newId = IdGenerator.incrementing();
  const document = new Parser(new AstBuilder(newId), new GherkinClassicTokenMatcher()).parse(source);
  const lines = linesOf(document);
  const scenarios = compile(document, file, newId).map(({ name, steps }) => ({
    name,
    steps: steps.map(({ text, argument, astNodeIds }) => ({
      text,
      at: `${file}:${lines.get(astNodeIds[0]!)}`,
      table: argument?.dataTable?.rows.map(({ cells }) => cells.map(({ value }) => value)) ?? [],
    })),
  }));
  return { name: document.feature?.name ?? file, scenarios };
}

function linesOf(document: GherkinDocument): Map<string, number> {
  const children =
    document.feature?.children.flatMap((child) => [child, ...(child.rule?.children ?? [])]) ?? [];
  const steps = children.flatMap(({ background, scenario }) => (background ?? scenario)?.steps ?? []);
  return new Map(steps.map(({ id, location }) => [id, location.line]));
}
