import type { KeyedConfig } from "./keys.ts";

/** Why clients cannot be asked for certificates as it is set, with what would do. */
export interface ClientAuthFault {
  /** The setting that is told of. */
  readonly field: keyof KeyedConfig;
  /** A clause that follows it and its value. */
  readonly why: string;
}

/** What is wrong with the settings of clients' certificates together; undefined: nothing. */
export function clientAuthFault(config: KeyedConfig): ClientAuthFault | undefined {
  const { tlsClientAuth, tlsClientCaFile, tlsCertFile, grpcListen } = config;
  if (tlsClientAuth === "off") {
    if (tlsClientCaFile === undefined) return undefined;
    const why =
      ", and tls-client-auth is off; set it to optional or required to ask clients for certificates.";
    return { field: "tlsClientCaFile", why };
  }
  const fault = (why: string): ClientAuthFault => ({ field: "tlsClientAuth", why });
  if (tlsCertFile === undefined)
    return fault(", and all is in plaintext; give tls-cert-file and tls-key-file too, or set it to off.");
  if (tlsClientCaFile === undefined)
    return fault(
      ", and tls-client-ca-file is not given; name the authorities that sign clients' certificates.",
    );
  if (tlsClientAuth === "required" && grpcListen === undefined)
    return fault(
      ", and gRPC has no port of its own; browsers' preflights and probes of readiness bring no certificate: set grpc-listen, or make it optional.",
    );
  return undefined;
}
