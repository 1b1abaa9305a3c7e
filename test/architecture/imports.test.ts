import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { importsOf, violationsIn, violationsOf } from "./imports.ts";
import { RULES } from "./rules.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const FILES = ["src", "gen", "bin"].flatMap(sourcesIn);

describe("who imports whom", () => {
  for (const rule of RULES) {
    it(`${rule.of} imports only what its rule allows`, () => {
      const files = FILES.filter((file) => RULES.find(({ of }) => file.startsWith(of)) === rule);
      expect(files.flatMap((file) => violationsIn(ROOT, file, RULES)).join("\n")).toBe("");
    });
  }

  it("every source file has a rule", () => {
    const ruleless = FILES.filter((file) => !RULES.some(({ of }) => file.startsWith(of)));
    expect(ruleless, "say in test/architecture/rules.ts whom they may import").toEqual([]);
  });
});

describe("imports go one way", () => {
  it("no file of src/ imports itself by others, types included", () => {
    expect(circleIn(importsAmong(FILES.filter((file) => file.startsWith("src/"))))).toBeUndefined();
  });

  it("a circle is found, however long", () => {
    const among = { a: ["b"], b: ["c", "d"], c: [], d: ["e"], e: ["b"] };
    expect(circleIn(new Map(Object.entries(among)))).toEqual(["b", "d", "e", "b"]);
    expect(circleIn(new Map(Object.entries({ ...among, e: ["c"] })))).toBeUndefined();
  });
});

describe("the check itself", () => {
  it.each([
    ['import { a } from "../x.ts";', "../x.ts", false],
    ['import "../x.ts";', "../x.ts", false],
    ['import type { A } from "../x.ts";', "../x.ts", true],
    ['import { type A, type B } from "../x.ts";', "../x.ts", true],
    ['import { type A, b } from "../x.ts";', "../x.ts", false],
    ['export { a } from "../x.ts";', "../x.ts", false],
    ['export * from "../x.ts";', "../x.ts", false],
    ['export type { A } from "../x.ts";', "../x.ts", true],
    ['const a = await import("../x.ts");', "../x.ts", false],
    ["const a = await import(name);", "*", false],
    ['let a: import("../x.ts").A;', "../x.ts", true],
    ['const a = require("x");', "x", false],
    ['const a = import.meta.resolve("../x.ts");', "../x.ts", false],
    ['new Worker(new URL("./worker.ts", import.meta.url));', "./worker.ts", false],
    ["new URL(`./worker.$" + "{extension}`, import.meta.url);", "./worker.*", false],
  ])("sees %s", (source, specifier, typeOnly) => {
    const later = /^const a = await import/.test(source);
    expect(importsOf("src/core/a.ts", source)).toEqual([{ specifier, typeOnly, later, line: 1 }]);
  });

  it("says where, what, and what is allowed instead", () => {
    expect(violationsOf("src/core/a.ts", '\nimport { Writer } from "../service/writer.ts";', RULES)).toEqual([
      'src/core/a.ts:2 imports "../service/writer.ts"; src/core/ may import only src/core/',
    ]);
  });

  it.each([
    ["src/core/a.ts", "node:crypto"],
    ["src/service/a.ts", "better-sqlite3"],
    ["src/service/a.ts", "../../gen/tally/v1/counter_pb.ts"],
    ["src/stores/memory/store.ts", "../sqlite/store.ts"],
    ["src/stores/sqlite/a.ts", "../../service/writer.ts"],
    ["src/transports/a.ts", "../stores/open.ts"],
    ["src/transports/connect/a.ts", "node:http"],
    ["src/transports/http/a.ts", "node:http2"],
    ["src/transports/pages/a.ts", "node:https"],
    ["src/transports/grpc/a.ts", "@grpc/grpc-js"],
    ["src/transports/node-http/a.ts", "@grpc/grpc-js"],
    ["src/transports/grpc-js/a.ts", "node:http"],
    ["src/config.ts", "./core/int64.ts"],
    ["src/server.ts", "./cli/serve.ts"],
    ["src/cli/get.ts", "../stores/open.ts"],
    ["src/cli/get.ts", "../server.ts"],
    ["src/cli/get.ts", "../config.ts"],
    ["src/client/client.ts", "../core/int64.ts"],
    ["src/console/a.tsx", "../core/op.ts"],
    ["src/console/a.tsx", "../../gen/tally/v1/counter_pb.ts"],
    ["src/console/a.tsx", "node:crypto"],
    ["src/shop/a.ts", "../core/op.ts"],
  ])("%s may not import %s", (file, specifier) => {
    expect(violationsOf(file, `import { a } from "${specifier}";`, RULES)).toHaveLength(1);
  });

  it("types may come from where values may not", () => {
    expect(violationsOf("src/config.ts", 'import type { A } from "./core/op.ts";', RULES)).toEqual([]);
  });
});

function sourcesIn(folder: string): string[] {
  return readdirSync(path.join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|tsx|mts|mjs|js)$/.test(name))
    .map((name) => path.posix.join(folder, name));
}

/** By file, which of the others it needs to be loaded or checked; not what it loads when it is asked to. */
function importsAmong(files: readonly string[]): Map<string, string[]> {
  return new Map(
    files.map((file) => {
      const imported = importsOf(file, readFileSync(path.join(ROOT, file), "utf8"));
      const targets = imported
        .filter(({ specifier, later }) => specifier.startsWith(".") && !later)
        .map(({ specifier }) => path.posix.join(path.posix.dirname(file), specifier));
      return [file, targets.filter((target) => files.includes(target))];
    }),
  );
}

/** The files of a circle, the first again at the end; undefined when there is none. */
function circleIn(imports: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const clear = new Set<string>();
  const way: string[] = [];
  const visit = (file: string): string[] | undefined => {
    if (clear.has(file)) return undefined;
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
    way.push(file);
    for (const next of imports.get(file) ?? []) {
      const circle = visit(next);
      if (circle !== undefined) return circle;
    }
    way.pop();
    clear.add(file);
    return undefined;
  };
  for (const file of imports.keys()) {
    const circle = visit(file);
    if (circle !== undefined) return circle;
  }
  return undefined;
}
