import { BlockList, isIP } from "node:net";

/** From whom a list of the addresses that a request came by is believed. */
export class TrustedProxies {
  #trusted = new BlockList();
  #none = true;

  /** @param networks  addresses and CIDRs, as the setting trusted-proxies takes them */
  constructor(networks: readonly string[]) {
    this.become(networks);
  }

  /** Whether nobody is believed: then what they say need not be looked for. */
  get areNone(): boolean {
    return this.#none;
  }

  /** Believe these from now on, and no others. */
  become(networks: readonly string[]): void {
    const trusted = new BlockList();
    for (const network of networks) {
      const [address, bits] = network.split("/");
      const family = isIP(address!) === 6 ? "ipv6" : "ipv4";
      trusted.addSubnet(address!, Number(bits ?? (family === "ipv6" ? 128 : 32)), family);
    }
    this.#trusted = trusted;
    this.#none = networks.length === 0;
  }

  /**
   * Where a request comes from: of a trusted proxy what it says, read from the right up to the first that is not trusted
   * itself. What is no address stands for the one that said it.
   *
   * @param peer       whoever is at the other end of the connection
   * @param forwarded  the header X-Forwarded-For, all of them together
   */
  addressOf(peer: string, forwarded: string | undefined): string {
    if (this.#none || forwarded === undefined || !this.#trusts(peer)) return peer;
    let address = peer;
    for (const text of forwarded.split(",").reverse().slice(0, HOPS_MAX)) {
      const before = withoutPort(text.trim());
      if (isIP(before) === 0) return address;
      address = before;
      if (!this.#trusts(address)) return address;
    }
    return address;
  }

  #trusts(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.#trusted.check(address, family === 6 ? "ipv6" : "ipv4");
  }
}

/** As "192.0.2.1:80", "[2001:db8::1]:80" and "[2001:db8::1]" have it. */
function withoutPort(text: string): string {
  return /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
}

/** More proxies than anybody stands behind. */
const HOPS_MAX = 32;
