/** A configuration that cannot be used: one sentence for the one who wrote it. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** Where the mistake is. */
  readonly origin: "flag" | "environment" | "file";
  constructor(origin: "flag" | "environment" | "file", message: string, options?: ErrorOptions) {
    super(message, options);
    this.origin = origin;
  }
}
