import { writeFile } from "node:fs/promises";
import path from "node:path";
import { COMPILE_MS, run } from "./client.ts";

/**
 * Generate the stubs of a language as its users do: from the descriptors that a server gives out, without the
 * annotations that only a server reads. Go compiles its generators first, where it never did.
 *
 * @param template  of `buf generate`; its paths are relative to the folder
 */
export async function generateStubs(server: string, template: object, folder: string): Promise<void> {
  const input = `http://${server}/descriptors.binpb`;
  const wanted = ["--path", "tally/v1", "--exclude-type", "buf.validate", "--exclude-type", "google.api"];
  const how = ["--template", JSON.stringify(template)];
  const { code, stderr } = await run("buf", ["generate", input, ...wanted, ...how], {
    cwd: folder,
    timeoutMs: COMPILE_MS,
  });
  if (code !== 0) throw new Error(`buf generate: ${stderr}`);
}

/** Keep the descriptors that a server gives out as `descriptors.binpb`, for languages that do with them alone. */
export async function fetchDescriptors(server: string, folder: string): Promise<void> {
  const answer = await fetch(`http://${server}/descriptors.binpb`);
  if (!answer.ok) throw new Error(`expected the descriptors, got ${answer.status}`);
  await writeFile(path.join(folder, "descriptors.binpb"), await answer.bytes());
}
