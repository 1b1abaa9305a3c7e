/** A browser as people have one: Debian's Chromium, without a window. */
import { existsSync } from "node:fs";
import { type Browser, type BrowserContextOptions, chromium, type Locator, type Page } from "playwright-core";
import { beforeAll, expect, inject, onTestFinished } from "vitest";
import type { Need } from "../support/needs.ts";

export const CHROMIUM = [process.env.CHROMIUM ?? "", "/usr/bin/chromium", "/usr/bin/chromium-browser"].find(
  (path) => path !== "" && existsSync(path),
);

export const BROWSER: Need = {
  name: "chromium",
  install: "apt-get install chromium",
  here: CHROMIUM !== undefined,
};

let browser: Browser | undefined;

/** A name that leads here, as the name of anybody's page could. */
export const OTHER_NAME = "tally.example";

/**
 * The browser of this process, which all files that it runs share, for to start one takes three seconds of the processor: what
 * one test does in its tab is in no other. It ends with the process, whose pipe it reads.
 */
export function useBrowser(): void {
  beforeAll(async () => {
    if (CHROMIUM === undefined || browser?.isConnected()) return;
    const args = [`--host-resolver-rules=MAP ${OTHER_NAME} 127.0.0.1`];
    browser = await chromium.launch({ executablePath: CHROMIUM, args });
  });
}

/**
 * A tab with nothing kept from others. Whatever the page throws, or a security policy forbids, fails the test.
 *
 * @param forbidden  what a policy is to forbid
 */
export async function newTab(options: BrowserContextOptions = {}, forbidden?: RegExp): Promise<Page> {
  const context = await browser!.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(inject("patienceMs"));
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(`${error}`));
  page.on("console", (message) => {
    if (/Content Security Policy|TrustedScript/.test(message.text())) faults.push(message.text());
  });
  onTestFinished(async () => {
    await context.close();
    expect(faults.filter((fault) => !forbidden?.test(fault))).toEqual([]);
  });
  return page;
}

/** The page of a server on this machine, with counters or without. */
export async function visit(
  port: number,
  options: BrowserContextOptions & { path?: string } = {},
): Promise<Page> {
  const page = await newTab(options);
  await page.goto(`http://127.0.0.1:${port}${options.path ?? "/"}`);
  await page.locator(".row, .empty").first().waitFor();
  return page;
}

/** The row of a counter. */
export function row(page: Page, name: string): Locator {
  return page.locator(`li.row[data-name="${name}"]`);
}

/** A button of a row. */
export function button(
  page: Page,
  name: string,
  does: "increment" | "decrement" | "history" | "set" | "reset" | "edit" | "delete",
): Locator {
  return row(page, name).locator(`[data-does="${does}"]`);
}

/** Resolves when the row of a counter shows this value. */
export async function shows(page: Page, name: string, value: string): Promise<void> {
  await row(page, name)
    .locator(".value")
    .and(page.locator(`:text-is("${value}")`))
    .waitFor();
}

/** What is told about the last change. */
export function told(page: Page): Locator {
  return page.locator(".bar [role=status]");
}
