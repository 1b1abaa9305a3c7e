import { isIP } from "node:net";
import { withoutSecrets } from "../core/secrets.ts";

/** Why a text is no network, as a clause; undefined: it is one. */
export function whyNoNetwork(text: string): string | undefined {
  const [address, bits, ...more] = text.split("/");
  const family = isIP(address!);
  const max = family === 6 ? 128 : 32;
  if (
    family !== 0 &&
    more.length === 0 &&
    (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= max))
  )
    return undefined;
  return `expected an IP address or a CIDR such as 10.0.0.0/8, got ${withoutSecrets(text).slice(0, 60)}`;
}
