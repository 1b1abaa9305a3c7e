import { type Family, labelsOf, type Placed } from "./family.ts";

/** What scrapers are told that this is (https://prometheus.io/docs/instrumenting/exposition_formats/). */
export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/**
 * Numbers as Prometheus reads them, in its text format 0.0.4.
 *
 * @param numberAt  a number by its place
 */
export function expositionOf(places: readonly Placed[], numberAt: (place: number) => number): string {
  return places.map((place) => familyText(place, numberAt)).join("");
}

/** Nothing of a family of which no child is told. */
function familyText(place: Placed, numberAt: (place: number) => number): string {
  const { family, first, children, width } = place;
  let text = "";
  for (let child = 0; child < children; child++) {
    const at = first + child * width;
    if (Number.isNaN(numberAt(at))) continue; // Nobody knows it.
    if (isZero(at, width, numberAt) && !isToldAtZero(place, child)) continue;
    const labels = labelsOf(place, child);
    text +=
      family.kind === "histogram"
        ? histogramText(family, labels, at, numberAt)
        : line(family.name, labels, numberAt(at));
  }
  return text === ""
    ? ""
    : `# HELP ${family.name} ${helpText(family.help)}\n# TYPE ${family.name} ${family.kind}\n${text}`;
}

function isZero(at: number, width: number, numberAt: (place: number) => number): boolean {
  for (let i = 0; i < width; i++) if (numberAt(at + i) !== 0) return false;
  return true;
}

function isToldAtZero(place: Placed, child: number): boolean {
  const { atZero } = place.family;
  if (typeof atZero === "string") return atZero !== "none";
  return labelsOf(place, child).every(([label, value]) => atZero[label]?.includes(value) ?? true);
}

/** Each bucket with all that are below it, as Prometheus has them. */
function histogramText(
  { name, bounds }: Family,
  labels: readonly (readonly [string, string])[],
  at: number,
  numberAt: (place: number) => number,
): string {
  let count = 0;
  let text = "";
  for (let i = 0; i <= bounds.length; i++) {
    count += numberAt(at + i);
    text += line(
      `${name}_bucket`,
      [...labels, ["le", numberText(bounds[i] ?? Number.POSITIVE_INFINITY)]],
      count,
    );
  }
  const sum = numberAt(at + bounds.length + 1);
  return `${text}${line(`${name}_sum`, labels, sum)}${line(`${name}_count`, labels, count)}`;
}

function line(name: string, labels: readonly (readonly [string, string])[], value: number): string {
  const pairs = labels.map(([label, text]) => `${label}="${labelText(text)}"`).join(",");
  return `${name}${pairs === "" ? "" : `{${pairs}}`} ${numberText(value)}\n`;
}

/** As Go reads them: what JavaScript calls Infinity has another name. */
function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  return value === Number.NEGATIVE_INFINITY ? "-Inf" : `${value}`;
}

function helpText(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

/** A label's value, between its quotes. */
export function labelText(text: string): string {
  return helpText(text).replaceAll('"', '\\"');
}
