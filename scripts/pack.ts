/**
 * `npm run pack -- [FOLDER]`: the package that people install, as FOLDER/tally-VERSION.tgz; here without a FOLDER.
 *
 * It differs from the checkout: dist/ in the place of the sources, because Node strips no types under node_modules,
 * and a package.json without what only a checkout needs. So it is put together in a folder of its own, and however
 * this ends, the checkout stays as it was.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

const ROOT = resolve(import.meta.dirname, "..");
const COPIED = ["bin", "proto", "third_party", "CHANGELOG.md", "LICENSE", "README.md"];
/** What is generated and no source: the server gives it out as it is. */
const SERVED = ["gen/openapi.json", "gen/docs.html", "gen/descriptors.binpb", "gen/console"];

const destination = resolve(process.env.INIT_CWD ?? ".", process.argv[2] ?? ROOT);
const staged = mkdtempSync(join(tmpdir(), "tally-pack-"));
try {
  for (const path of COPIED) cpSync(join(ROOT, path), join(staged, path), { recursive: true });
  writeFileSync(join(staged, "package.json"), `${JSON.stringify(packagedManifest(), null, 2)}\n`);
  for (const served of SERVED) cpSync(join(ROOT, served), join(staged, "dist", served), { recursive: true });
  leaveOutComments(join(staged, "dist/gen/descriptors.binpb"));
  leaveOutSpaces(join(staged, "dist/gen/openapi.json"));
  const tsc = join(ROOT, "node_modules/.bin/tsc");
  // Types are for `npm run check` to judge: to do it here once more took two thirds of what packing takes.
  const build = ["-p", join(ROOT, "tsconfig.build.json"), "--outDir", join(staged, "dist"), "--noCheck"];
  execFileSync(tsc, build, { stdio: "inherit" });
  const [packed] = JSON.parse(npm(["pack", staged, "--pack-destination", staged, "--json"]));
  copyFileSync(join(staged, packed.filename), join(destination, packed.filename));
  console.log(`${join(destination, packed.filename)}: ${packed.files.length} files, ${packed.size} bytes`);
} finally {
  rmSync(staged, { recursive: true, force: true });
}

/**
 * Without Node.js itself: 190 MB, and in a project that depends on Tally npm would link it into node_modules/.bin,
 * where it took the place of the project's own (docs/decisions/0008).
 */
function packagedManifest(): object {
  const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const { devDependencies: _, scripts: __, optionalDependencies, ...kept } = manifest;
  const others = Object.entries(optionalDependencies).filter(([name]) => !name.startsWith("node-linux-"));
  return others.length === 0 ? kept : { ...kept, optionalDependencies: Object.fromEntries(others) };
}

function npm(args: readonly string[]): string {
  const cli = process.env.npm_execpath; // Set by `npm run`.
  const [command, first] = cli === undefined ? ["npm", []] : [process.execPath, [cli]];
  return execFileSync(command, [...first, ...args], { cwd: staged, encoding: "utf8" });
}

/** Of what others have written: their comments are half of it, and stand in third_party. */
function leaveOutComments(path: string): void {
  const set = fromBinary(FileDescriptorSetSchema, readFileSync(path));
  for (const file of set.file) if (!file.name.startsWith("tally/")) file.sourceCodeInfo = undefined;
  writeFileSync(path, toBinary(FileDescriptorSetSchema, set));
}

/** Programs read it, and a fifth of it was for people. */
function leaveOutSpaces(path: string): void {
  writeFileSync(path, JSON.stringify(JSON.parse(readFileSync(path, "utf8"))));
}
