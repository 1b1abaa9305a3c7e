/** Why a text is no origin, or no name of a server: clauses for who wrote it, with what would do. */
import { withoutSecrets } from "../core/secrets.ts";

/**
 * @returns  undefined for an origin as browsers send it: scheme, name and port, and the port only if it is not the
 *           scheme's own
 */
export function whyNoOrigin(text: string): string | undefined {
  if (text === "null") {
    return '"null" is what every page without an origin sends (a file, a frame in a sandbox): it cannot be told from a stranger\'s';
  }
  const shown = withoutSecrets(text);
  if (text.includes("*")) return `"${shown}" has a wildcard; list each origin, or * alone for every one`;
  const url = URL.parse(text);
  if (url === null || url.host === "" || !/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    const whole = /^[^\s/:]+(:[0-9]+)?(\/.*)?$/.test(text) ? URL.parse(`https://${text}`) : null;
    if (whole === null) return `"${shown}" is no origin`;
    return `"${shown}" has no scheme; write ${whole.origin}, or http:// if the page comes without TLS`;
  }
  if (url.origin === "null")
    return `"${shown}" is not of http or https, which alone have origins that can be listed`;
  if (url.origin === text) return undefined;
  return `"${shown}" is not as browsers send it; write ${url.origin}`;
}

/** @returns  undefined for a name of DNS, in any case */
export function whyNoHostName(text: string): string | undefined {
  if (text.length <= 253 && /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/i.test(text)) return undefined;
  const shown = withoutSecrets(text);
  if (text.includes("*")) return `"${shown}" has a wildcard; list each name, or * alone for every one`;
  const { hostname } = URL.parse(text.includes("://") ? text : `http://${text}`) ?? {};
  if (hostname === undefined || hostname === "" || hostname.startsWith("[")) return `"${shown}" is no name`;
  return `"${shown}" is more than a name, or not as clients send it; write ${hostname.replace(/\.$/, "")}`;
}
