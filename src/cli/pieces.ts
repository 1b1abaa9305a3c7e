/** Write bytes to stdout. Resolves when whoever reads has room for more. */
export function writeToStdout(piece: Buffer): Promise<void> {
  return new Promise((resolve, reject) =>
    process.stdout.write(piece, (error) => (error ? reject(error) : resolve())),
  );
}
