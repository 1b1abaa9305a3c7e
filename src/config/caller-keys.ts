import { withoutSecrets } from "../core/secrets.ts";
import { type Key, listOf, oneOf, optional, path, rate } from "./kinds.ts";
import { whyNoNetwork } from "./networks.ts";

/** What can be reached without a credential, beside health checks. */
const OPEN = ["page", "docs", "reflection", "metrics"] as const;

/** The settings of who may call, and how often. */
export const CALLER_KEYS = {
  auth: {
    ...oneOf("<mode>", ["off", "optional", "required"]),
    name: "auth",
    group: "Who may call",
    about:
      "whether callers must say who they are: off asks nobody; optional takes a credential that is good, and lets in who has none; required does not",
    default: "off",
  },
  rootKeyFile: {
    ...path(),
    name: "root-key-file",
    group: "Who may call",
    about:
      "a file with a key whose holder may do everything: one line of 32 characters at least, two while it is changed; read again on SIGHUP",
  },
  authOpen: {
    name: "auth-open",
    group: "Who may call",
    about:
      "what may be reached without a credential while auth is required, beside health checks, separated by commas",
    expected: `some of ${OPEN.join(", ")}, or nothing`,
    default: "page,docs,reflection",
    placeholder: "<parts>",
    schema: listOf((text) =>
      (OPEN as readonly string[]).includes(text)
        ? undefined
        : `there is no ${JSON.stringify(withoutSecrets(text).slice(0, 40))}`,
    ).transform((parts) => parts as (typeof OPEN)[number][]),
  },
  rateDefault: {
    ...optional(rate()),
    name: "rate-default",
    group: "Who may call",
    about:
      "how often a principal may call that has no rate of its own, in each process: calls a second, how many at once, and the same of operations; nothing is as often as it likes",
    default: "",
    isReloadable: true,
  },
  rateAnonymous: {
    ...optional(rate()),
    name: "rate-anonymous",
    group: "Who may call",
    about:
      "the same for each address of callers without a credential or with a capability token (IPv6 by its /64)",
    default: "",
    isReloadable: true,
  },
  rateTokens: {
    ...optional(rate()),
    name: "rate-tokens",
    group: "Who may call",
    about: "the same for all capability tokens of one API key together, apart from the key's own calls",
    default: "1000:5000",
    isReloadable: true,
  },
  trustedProxies: {
    name: "trusted-proxies",
    group: "Who may call",
    about:
      "proxies whose X-Forwarded-For says where a call comes from, as addresses and networks, separated by commas",
    expected: "addresses and CIDRs such as 10.0.0.0/8, or nothing",
    default: "",
    placeholder: "<networks>",
    schema: listOf(whyNoNetwork),
    isReloadable: true,
  },
} as const satisfies Record<string, Key<unknown>>;
