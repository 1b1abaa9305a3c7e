/** docs/http.md says what is so: its paths, its statuses and its limits are those of the code. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { KEYS } from "../../src/config.ts";
import { STATUS } from "../../src/transports/status.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const PAGE = readFileSync(path.join(ROOT, "docs/http.md"), "utf8");
const { paths } = JSON.parse(readFileSync(path.join(ROOT, "gen/openapi.json"), "utf8"));

/** The rows of the tables under a heading, each as its cells. */
function rowsUnder(heading: string): string[][] {
  const [, section] = PAGE.split(`\n## ${heading}\n`);
  const rows = section!.split("\n## ")[0]!.split("\n");
  return rows
    .filter((line) => line.startsWith("| ") && !line.startsWith("| |"))
    .map((line) => line.split("|").map((cell) => cell.trim()));
}

describe("docs/http.md", () => {
  it("has every path, with its method and its RPC", () => {
    const documented = rowsUnder("Paths").map(([, , path, rpc]) =>
      `${path} ${rpc}`.replace(/\?[^`]*|`/g, ""),
    );
    const served = Object.entries<Record<string, { operationId: string }>>(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId }]) => {
        const rpc = operationId.startsWith("Simple") ? "" : operationId.replace(/\d+$/, ""); // Of a second path.
        return `${method.toUpperCase()} ${path} ${rpc}`;
      }),
    );
    expect(documented.map((each) => each.trim()).sort()).toEqual(served.map((each) => each.trim()).sort());
  });

  it("has every reason, with its status", () => {
    const documented = rowsUnder("Errors").flatMap(([, status, reasons]) =>
      [...reasons!.matchAll(/`([A-Z_]+)`/g)].map(([, reason]) => [reason, Number(status)]),
    );
    const table = Object.entries(STATUS).map(([reason, { http }]) => [reason, http]);
    expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(table));
  });

  it("has every limit, with its setting and its default", () => {
    const documented = rowsUnder("Limits").flatMap(([, , value, setting]) =>
      setting?.startsWith("`") ? [[setting, value].map((cell) => cell!.replaceAll("`", ""))] : [],
    );
    const limits = Object.values(KEYS).filter(({ group, name }) => {
      return group === "Limits" && name !== "cached-counters-max"; // Which is about memory, and refuses nothing.
    });
    expect(Object.fromEntries(documented)).toEqual(
      Object.fromEntries(limits.map((limit) => [limit.name, limit.default])),
    );
  });
});
