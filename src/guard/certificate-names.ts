/**
 * The names in a certificate by which a client may be bound to a principal: its URIs, and after them its names of DNS,
 * each as often as it is there. Its subject is none: nobody can tell what stands in it.
 *
 * A binding has the text of a name and not its kind, so the text has to tell: a name with "://" is a URI, any other is one
 * of DNS. An authority that is held to some names of DNS may sign any URI, and the other way round (CVE-2021-44531): a URI
 * that looks like a name of DNS, and a name of DNS that looks like a URI, are left out.
 *
 * Node.js has them as a text that was once ambiguous (CVE-2021-44532): a name with a comma in it looked like two. Now one
 * with anything but letters, digits and plain signs is a JSON string. What is not written so to its last character has no
 * names at all.
 *
 * @param subjectAltName  "DNS:shop.example, URI:spiffe://example.org/shop"; undefined: the certificate has none
 */
export function certificateNames(subjectAltName: string | undefined): string[] {
  const names: { readonly kind: string; readonly name: string }[] = [];
  let at = 0;
  while (subjectAltName !== undefined && at < subjectAltName.length) {
    ENTRY.lastIndex = at;
    const [entry, kind, quoted, plain] = ENTRY.exec(subjectAltName) ?? [];
    if (entry === undefined) return [];
    const name = quoted === undefined ? plain : fromJson(quoted);
    if (name === undefined) return [];
    names.push({ kind: kind!, name });
    at += entry.length;
    if (at === subjectAltName.length) break;
    if (!subjectAltName.startsWith(", ", at)) return [];
    at += 2;
    if (at === subjectAltName.length) return []; // Another one is announced, and none is there.
  }
  const of = (wanted: "URI" | "DNS") =>
    names
      .filter(({ kind, name }) => kind === wanted && kindOf(name) === wanted && CAN_BE_BOUND.test(name))
      .map(({ name }) => name);
  return [...of("URI"), ...of("DNS")];
}

/** Of which kind a name has to be in a certificate, by its form. */
function kindOf(name: string): "URI" | "DNS" {
  return name.includes("://") ? "URI" : "DNS";
}

/** An entry: its kind, and what it says, as a JSON string or as it is. */
const ENTRY = /([A-Za-z][A-Za-z ]*):(?:("(?:[^"\\]|\\.)*")|([^",\\]*))(?=, |$)/y;

/** Printable ASCII without spaces, as no binding has anything else. */
const CAN_BE_BOUND = /^[!-~]+$/;

function fromJson(quoted: string): string | undefined {
  try {
    return JSON.parse(quoted) as string;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
