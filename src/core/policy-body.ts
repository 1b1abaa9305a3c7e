/** Policies as the catalogue keeps them: under their prefixes, each with what was said of it before. */
import { ENFORCEMENTS, type Enforcement, type Policy, type PolicyVersion } from "./policy.ts";
import { DEFAULTS, settingsFromJson, settingsToJson } from "./settings.ts";

/** What a policy is kept under: "shop.*", for keys are not empty, and prefixes may be. */
export function policyKeyOf(prefix: string): string {
  return `${prefix}*`;
}

/** A policy as the catalogue keeps it. @param former  what was said of its prefix before; undefined: nothing */
export function policyToBody(
  { settings, enforcement, setTime }: Pick<Policy, "settings" | "enforcement" | "setTime">,
  former: readonly PolicyVersion[] = [],
): string {
  return JSON.stringify({ settings: settingsToJson(settings), enforcement, ...kept(setTime, former) });
}

/** That there is none any more, as the catalogue keeps it. */
export function tombstoneToBody(setTime: number | undefined, former: readonly PolicyVersion[]): string {
  return JSON.stringify({ deleted: true, ...kept(setTime, former) });
}

/** The labels and the description are for what is made: of former ones they are not needed, and long. */
function kept(setTime: number | undefined, former: readonly PolicyVersion[]): object {
  const versions = former.slice(-FORMER_MAX).map((each): Former => {
    const { revision, setTime } = each;
    if (each.settings === undefined) return { revision, setTime, deleted: true };
    const { labels, description } = DEFAULTS;
    const settings = settingsToJson({ ...each.settings, labels, description });
    return { revision, setTime, settings, enforcement: each.enforcement };
  });
  return { setTime, ...(versions.length > 0 && { former: versions }) };
}

/** What a body says of one version. */
interface Said {
  readonly setTime?: number | undefined;
  readonly deleted?: true;
  readonly settings?: object;
  readonly enforcement?: Enforcement;
}

type Former = Said & { readonly revision: number };

/** And back, with what was said before; undefined when the body is none that this version understands. */
export function versionsFromBody(
  prefix: string,
  body: string,
  revision: number,
): PolicyVersion[] | undefined {
  try {
    const { former = [], ...said } = JSON.parse(body) as Said & { former?: readonly Former[] };
    return [...former, { ...said, revision }].map((each) => toVersion(prefix, each));
  } catch {
    return undefined; // Of a newer version: what it does not say here is not for this one to guess.
  }
}

/** @throws SyntaxError, TypeError  of what is no version */
function toVersion(
  prefix: string,
  { settings, enforcement, deleted, revision, setTime }: Former,
): PolicyVersion {
  if (deleted === true) return { prefix, settings: undefined, revision, setTime };
  if (!ENFORCEMENTS.includes(enforcement!))
    throw new SyntaxError("expected an enforcement, got another text");
  return { prefix, settings: settingsFromJson(settings!), enforcement: enforcement!, revision, setTime };
}

/** How many are kept beside the latest: a counter that missed more goes from its own settings to the oldest of them. */
export const FORMER_MAX = 8;
