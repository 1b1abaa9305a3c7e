/** What is in the package, and what is not. */
import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { beforeAll, describe, expect, inject, it } from "vitest";
import { folder, ROOT } from "../cli/process/tally.ts";
import { npm } from "./machine.ts";

const manifestOf = (root: string) => JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

let files: string[];

beforeAll(() => {
  const listed = execFileSync("tar", ["tzf", inject("tarball")], { encoding: "utf8" });
  files = listed
    .trim()
    .split("\n")
    .map((file) => file.replace(/^package\//, ""));
});

describe("the package", () => {
  it("has the command, its code, the protos and the texts, and nothing else", () => {
    const kinds = [
      /^(package\.json|LICENSE|README\.md|CHANGELOG\.md)$/,
      /^bin\/[a-z-]+\.mjs$/,
      /^dist\/(src|gen)\/[\w./-]+\.js$/,
      /^dist\/gen\/(openapi\.json|docs\.html|descriptors\.binpb)$/,
      /^dist\/gen\/console\/(index\.html|licenses\.md|assets\/[\w-]+\.(css|svg|js))$/,
      /^(proto|third_party\/proto)\/[\w./]+\.proto$/,
    ];
    expect(files.filter((file) => !kinds.some((kind) => kind.test(file)))).toEqual([]);
    for (const kind of kinds) expect(files.filter((file) => kind.test(file))).not.toEqual([]);
  });

  it("has every source and every proto of the checkout", () => {
    const git = [
      "ls-files",
      "--cached",
      "--others",
      "--exclude-standard",
      "--",
      "src",
      "gen",
      "proto",
      "third_party",
    ];
    const sources = execFileSync("git", git, { cwd: ROOT, encoding: "utf8" }).trim().split("\n");
    const expected = sources
      .filter((source) => /\.(ts|proto)$/.test(source) || /^gen\/([^/]+$|console\/)/.test(source))
      .filter((source) => !/^src\/console\//.test(source)) // The page: gen/console is made of these.
      .filter((source) => source !== "gen/browser/google/rpc/error_details_pb.ts") // Which only the page reads.
      .map((source) =>
        source.replace(/^((?:src|gen)\/.*)\.ts$/, "dist/$1.js").replace(/^gen\//, "dist/gen/"),
      );
    expect(files.filter((file) => /^(dist|proto|third_party)\//.test(file)).sort()).toEqual(expected.sort());
  });

  it("is below 1 MiB", () => {
    expect(statSync(inject("tarball")).size).toBeLessThan(1024 * 1024);
  });

  it("brings no Node.js, and the exact dependencies of the checkout", () => {
    const unpacked = folder();
    execFileSync("tar", ["xzf", inject("tarball"), "-C", unpacked]);
    const { version, dependencies, bin, engines } = manifestOf(ROOT);
    const packed = manifestOf(join(unpacked, "package"));
    expect(packed).toMatchObject({ version, dependencies, bin, engines, private: true });
    for (const field of ["optionalDependencies", "devDependencies", "scripts"]) {
      expect(packed).not.toHaveProperty(field);
    }
  });

  it("is what publint expects of a package", async () => {
    const { buffer } = new Uint8Array(readFileSync(inject("tarball")));
    const { messages, pkg } = await publint({ pack: { tarball: buffer }, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  it("has protos that compile by themselves", () => {
    const unpacked = folder();
    execFileSync("tar", ["xzf", inject("tarball"), "-C", unpacked]);
    const modules = [{ path: "proto" }, { path: "third_party/proto" }];
    const buf = join(ROOT, "node_modules/.bin/buf");
    execFileSync(buf, ["build", "--config", JSON.stringify({ version: "v2", modules })], {
      cwd: join(unpacked, "package"),
    });
  });
});

describe("packing", () => {
  it("leaves the checkout as it was", () => {
    const { before, after } = inject("checkout");
    expect(after).toBe(before);
  });

  it.each([
    ["npm pack", ["pack"]],
    ["npm pack, with scripts", ["pack", "--ignore-scripts=false"]],
  ])("%s says what to do instead", async (_, args) => {
    const { code, stderr } = await npm(args, { cwd: ROOT });
    expect(code).not.toBe(0);
    expect(stderr).toContain('Not packed: "npm run pack" builds the package');
  });
});
