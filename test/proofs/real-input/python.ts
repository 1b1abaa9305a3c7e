import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** This machine cannot run the Python client: a sentence that says what to install. */
export class NoPython extends Error {
  override readonly name = "NoPython";
}

/**
 * A Python that has gRPC: the machine's own if it does, else that of a virtual environment beside this file, which
 * is made, with packages from PyPI, when it is not there yet.
 *
 * @returns  the path of the interpreter
 * @throws NoPython
 */
export function pythonWithGrpc(): string {
  if (hasGrpc("python3")) return "python3";
  const folder = join(HERE, ".venv");
  const python = join(folder, "bin/python3");
  if (existsSync(python) && hasGrpc(python)) return python;
  if (spawnSync("python3", ["--version"]).status !== 0) {
    throw new NoPython("python3 is not there; on Debian: apt-get install python3 python3-venv");
  }
  console.log("making a Python environment, with packages from PyPI ...");
  run("python3", ["-m", "venv", "--clear", folder], "on Debian: apt-get install python3-venv");
  const install = ["-m", "pip", "install", "--quiet", "-r", join(HERE, "requirements.txt")];
  run(python, install, "it needs a package index to install from");
  return python;
}

/** Generate the client's stubs from all proto files that there are into a folder. */
export function generateStubs(python: string, folder: string): void {
  const proto = [join(ROOT, "proto"), join(ROOT, "third_party/proto")];
  const files = proto.flatMap((path) =>
    readdirSync(path, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".proto")),
  );
  const args = ["-m", "grpc_tools.protoc", ...proto.map((path) => `-I${path}`)];
  run(python, [...args, `--python_out=${folder}`, `--grpc_python_out=${folder}`, ...files], "see above");
}

/** What a script of ours needs to run: the stubs in a folder, and what our scripts share. */
export function pythonEnvironment(stubs: string): NodeJS.ProcessEnv {
  const path = `${stubs}:${join(ROOT, "test/support/python")}`;
  return { ...process.env, PYTHONPATH: path, PYTHONDONTWRITEBYTECODE: "1" };
}

function hasGrpc(python: string): boolean {
  return spawnSync(python, ["-c", "import grpc, grpc_tools.protoc"]).status === 0;
}

function run(command: string, args: readonly string[], advice: string): void {
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new NoPython(`${command} ${args.join(" ")} failed; ${advice}\n${stderr}`);
}
