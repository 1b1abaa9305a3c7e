/** Windows, refills and idle TTLs on the page: asked for, shown by the clock they go by, or the reader's, and turned over while one looks. */
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { CalendarUnit } from "../../gen/tally/v1/counter_pb.ts";
import { DEFAULTS } from "../../src/core/settings.ts";
import { Policies } from "../../src/service/policies.ts";
import { violations } from "../support/axe.ts";
import { describeWith } from "../support/needs.ts";
import { open } from "../transports/door.ts";
import { BROWSER, button, row, shows, told, useBrowser, visit } from "./browser.ts";

useBrowser();

const IN_NEW_YORK = { timezoneId: "America/New_York" };
const BERLIN = { span: { case: "calendar", value: CalendarUnit.DAY }, timeZone: "Europe/Berlin" } as const;
const every = (ms: number) => ({ span: { case: "every", value: durationFromMs(ms) } }) as const;

/** Open the form of a new counter, with its name. */
async function newCounter(page: Page, name: string): Promise<void> {
  await page.getByRole("button", { name: "New counter" }).click();
  await page.getByLabel("Name").fill(name);
}

describeWith([BROWSER], "time, on the page", () => {
  it("a full quota is empty again at the end of its window, and can be counted, without a reload", async () => {
    await using opened = await open();
    await opened.client.createCounter({ name: "mails", value: 5n, max: 5n, window: BERLIN });
    const page = await visit(opened.door.port, IN_NEW_YORK);
    await shows(page, "mails", "5");
    const plus = button(page, "mails", "increment");
    expect(await plus.getAttribute("aria-disabled")).toBe("true");
    // Midnight in Berlin, by the clock that the window goes by, and not who reads it. The server's day is 2026-01-01.
    expect(await plus.getAttribute("title")).toBe("It is at its maximum until 2 Jan 2026, 00:00 CET");
    const facts = row(page, "mails").locator(".facts");
    expect(await facts.allTextContents()).toEqual([
      "at most 5 · anew each day in Europe/Berlin",
      "back at 0 from 2 Jan 2026, 00:00 CET on",
    ]);
    opened.clock.advance(23 * 3_600_000);
    await shows(page, "mails", "0");
    await facts.getByText("back at 0 from 3 Jan 2026, 00:00 CET on").waitFor();
    await plus.click();
    await shows(page, "mails", "1");
    expect((await opened.client.getCounter({ name: "mails" })).counter).toMatchObject({
      value: 1n,
      revision: 3n,
    });
  });

  it("a bucket goes back while one looks, and a refusal says when there will be room", async () => {
    await using opened = await open();
    const refill = { amount: 3n, every: durationFromMs(1_000) };
    await opened.client.createCounter({ name: "calls", min: 0n, max: 10n, value: 9n, refill });
    const page = await visit(opened.door.port, IN_NEW_YORK);
    expect(await row(page, "calls").locator(".facts").allTextContents()).toEqual([
      "0 to 10 · goes back by 3 every second",
      "back at 0 at 31 Dec 2025, 19:00 GMT-5",
    ]);
    await page.getByLabel("Step").fill("2");
    await button(page, "calls", "increment").click();
    const note = row(page, "calls").getByRole("alert");
    const when = String.raw`(\d\d:\d\d:\d\d|\d+ \w+ \d{4}, \d\d:\d\d)`; // A second before midnight it is of tomorrow.
    await note
      .getByText(new RegExp(`There will be room for it at ${when} .*use a smaller step\\.`))
      .waitFor();
    opened.clock.advance(2_000);
    await shows(page, "calls", "3");
    await button(page, "calls", "increment").click();
    await shows(page, "calls", "5");
  });

  it("a counter that follows a policy says whose settings it has, until it is given its own", async () => {
    await using opened = await open();
    await new Policies(opened.store.catalogue!).set("mails:", { ...DEFAULTS, max: 5n }, "enforce");
    await opened.client.increment({ name: "mails:ada" });
    const page = await visit(opened.door.port);
    const facts = row(page, "mails:ada").locator(".facts");
    expect(await facts.allTextContents()).toEqual(["at most 5 · by the policy for mails:"]);
    await opened.client.updateCounter({ name: "mails:ada", max: 9n });
    await facts.getByText(/^at most 9$/).waitFor();
  });

  it("a limit that a policy only tries out is shown as such, until it is enforced", async () => {
    await using opened = await open();
    const policies = new Policies(opened.store.catalogue!);
    await policies.set("mails:", { ...DEFAULTS, max: 5n }, "shadow");
    await policies.set("mails:staff:", { ...DEFAULTS, max: 9n }, "enforce");
    for (const name of ["mails:ada", "mails:staff:eve", "other"]) await opened.client.increment({ name });
    const page = await visit(opened.door.port);
    const facts = (name: string) => row(page, name).locator(".facts");
    await facts("mails:ada")
      .getByText("at most 5 · by the policy for mails:, which only tries its limit out", { exact: true })
      .waitFor();
    await facts("mails:staff:eve")
      .getByText("at most 9 · by the policy for mails:staff:", { exact: true })
      .waitFor();
    expect(await facts("other").count()).toBe(0);
    expect(await violations(page)).toEqual([]);
    await policies.set("mails:", { ...DEFAULTS, max: 5n }, "enforce");
    const enforced = facts("mails:ada").getByText("at most 5 · by the policy for mails:", { exact: true });
    await enforced.waitFor();
  });

  it("an idle counter says when it goes, and goes", async () => {
    await using opened = await open();
    await opened.client.createCounter({ name: "idle", idleTtl: durationFromMs(900_000) });
    await opened.client.createCounter({ name: "stays" });
    const page = await visit(opened.door.port, IN_NEW_YORK);
    expect(await row(page, "idle").locator(".facts").allTextContents()).toEqual([
      "deleted when idle for 15 minutes",
      "deleted at 31 Dec 2025, 19:15 GMT-5 unless it changes",
    ]);
    opened.clock.advance(900_000);
    await row(page, "idle").waitFor({ state: "detached" });
    expect(await row(page, "stays").count()).toBe(1);
  });

  it("a window is made, by the reader's zone unless told otherwise, changed and taken away", async () => {
    await using opened = await open();
    const page = await visit(opened.door.port, IN_NEW_YORK);
    const windowOf = async () => (await opened.client.getCounter({ name: "w" })).counter!.window;
    await newCounter(page, "w");
    await page.getByLabel("it starts anew").check();
    expect(await page.getByLabel("Time zone").inputValue()).toBe("America/New_York");
    await page.getByLabel("How often").selectOption("each month");
    await page.getByLabel("On day").fill("31");
    await page.getByRole("button", { name: "Create" }).click();
    await row(page, "w").waitFor();
    const month = { span: { case: "calendar", value: CalendarUnit.MONTH } };
    expect(await windowOf()).toMatchObject({ ...month, timeZone: "America/New_York", day: 31 });

    await button(page, "w", "edit").click();
    expect(await page.getByLabel("On day").inputValue()).toBe("31");
    await page.getByRole("button", { name: "Save" }).click();
    await told(page).getByText("Nothing was changed of w.").waitFor();

    await button(page, "w", "edit").click();
    await page.getByLabel("How often").selectOption("after a time of its own");
    await page.getByLabel("Time until it starts anew", { exact: true }).fill("90");
    await page.getByLabel("Time until it starts anew: unit").selectOption("minutes");
    await page.getByRole("button", { name: "Save" }).click();
    await told(page).getByText("Changed the settings of w.").waitFor();
    expect(await windowOf()).toMatchObject(every(5_400_000));

    await button(page, "w", "edit").click();
    await page.getByLabel("it stays").check();
    await page.getByRole("button", { name: "Save" }).click();
    await row(page, "w").getByText("anew").waitFor({ state: "detached" });
    expect(await windowOf()).toBeUndefined();
  });

  it("a refill and an idle TTL are made, and a window in place of the refill", async () => {
    await using opened = await open();
    const page = await visit(opened.door.port);
    const counter = async () => (await opened.client.getCounter({ name: "r" })).counter!;
    await newCounter(page, "r");
    await page.getByLabel("Minimum").fill("0");
    await page.getByLabel("Maximum").fill("100");
    await page.getByLabel("it goes back bit by bit").check();
    await page.getByLabel("By how much").fill("10");
    await page.getByLabel("Each", { exact: true }).fill("250");
    await page.getByLabel("Each: unit").selectOption("milliseconds");
    await page.getByLabel("Delete it when idle for (optional)").fill("30");
    await page.getByRole("button", { name: "Create" }).click();
    await row(page, "r").waitFor();
    expect(await counter()).toMatchObject({
      refill: { amount: 10n, every: durationFromMs(250) },
      idleTtl: durationFromMs(30 * 86_400_000),
    });
    await button(page, "r", "edit").click();
    await page.getByLabel("it starts anew").check();
    await page.getByLabel("Time zone").fill("UTC");
    await page.getByLabel("Delete it when idle for (optional)").fill("");
    await page.getByRole("button", { name: "Save" }).click();
    await row(page, "r").getByText("anew each day in UTC").waitFor();
    const after = await counter();
    expect([after.refill, after.idleTtl]).toEqual([undefined, undefined]);
  });

  it("the instant that windows are counted from stays, though it is not asked", async () => {
    await using opened = await open();
    const anchor = timestampFromMs(Date.UTC(2026, 2, 1, 5));
    await opened.client.createCounter({ name: "a", window: { ...every(60_000), anchor } });
    const page = await visit(opened.door.port);
    await button(page, "a", "edit").click();
    await page.getByLabel("Time until it starts anew", { exact: true }).fill("2");
    await page.getByRole("button", { name: "Save" }).click();
    await row(page, "a").getByText("anew every 2 minutes").waitFor();
    expect((await opened.client.getCounter({ name: "a" })).counter!.window).toMatchObject({
      ...every(120_000),
      anchor,
    });
  });

  it("what is wrong stands beside its field, which has the focus", async () => {
    await using opened = await open();
    const page = await visit(opened.door.port);
    await newCounter(page, "wrong");
    const create = page.getByRole("button", { name: "Create" });
    const isAt = async (label: string, text: string) => {
      const field = page.getByLabel(label, { exact: true });
      await create.click();
      await page.getByRole("dialog").getByRole("alert").getByText(text).waitFor();
      expect(await field.getAttribute("aria-invalid")).toBe("true");
      const described = await field.getAttribute("aria-describedby");
      expect(await page.locator(`[id="${described!.split(" ").at(-1)}"]`).textContent()).toContain(text);
      const id = await field.getAttribute("id");
      await expect.poll(() => page.evaluate("document.activeElement.id")).toBe(id); // Behind what is drawn.
    };
    await page.getByLabel("it starts anew").check();
    await page.getByLabel("Time zone").fill("");
    await isAt("Time zone", "A time zone, such as Europe/Berlin.");
    await page.getByLabel("Time zone").fill("Mars/Olympus");
    await isAt("Time zone", "The server knows no such time zone.");
    await page.getByLabel("How often").selectOption("after a time of its own");
    await page.getByLabel("Time until it starts anew", { exact: true }).fill("1.5");
    await isAt("Time until it starts anew", "A whole number from 1.");
    await page.getByLabel("Time until it starts anew", { exact: true }).fill("9,000");
    await isAt("Time until it starts anew", "From 1 second to 366 days.");
    await page.getByLabel("it goes back bit by bit").check();
    await page.getByLabel("By how much").fill("0");
    await isAt("By how much", "A whole number from 1.");
    await page.getByLabel("By how much").fill("1");
    await isAt("By how much", "It needs a minimum and a maximum");
    await page.getByLabel("it stays").check();
    await page.getByLabel("Delete it when idle for (optional)").fill("3,651");
    await isAt("Delete it when idle for (optional)", "From 1 second to 3,650 days.");
    expect(await opened.client.sumCounters({})).toMatchObject({ count: 0n });
  });

  it("is all done by the keyboard", async () => {
    await using opened = await open();
    const page = await visit(opened.door.port);
    await newCounter(page, "keys");
    const { keyboard } = page;
    await page.getByLabel("it stays").focus();
    await keyboard.press("ArrowDown"); // From a choice to the next.
    await keyboard.press("Tab");
    await keyboard.type("each w");
    await keyboard.press("Tab");
    await keyboard.press("Control+a");
    await keyboard.type("Asia/Kathmandu");
    await keyboard.press("Enter");
    await row(page, "keys").getByText("anew each week in Asia/Kathmandu").waitFor();
  });

  // What is dark is so at every width.
  it.each([
    ["light", [320, 768, 1440]],
    ["dark", [320]],
  ] as const)("axe-core finds nothing in it, %s, at %j pixels", async (colorScheme, widths) => {
    await using opened = await open();
    const { client } = opened;
    const refill = { amount: 3n, every: durationFromMs(1_000) };
    await client.createCounter({
      name: "mails",
      value: 5n,
      max: 5n,
      window: BERLIN,
      idleTtl: durationFromMs(60_000),
    });
    await client.createCounter({ name: "calls", min: 0n, max: 10n, value: 9n, refill });
    for (const width of widths) {
      const page = await visit(opened.door.port, { colorScheme, viewport: { width, height: 800 } });
      expect(await violations(page)).toEqual([]);
      await newCounter(page, "x");
      await page.getByLabel("it starts anew").check();
      await page.getByLabel("How often").selectOption("each month");
      await page.getByLabel("On day").fill("32");
      await page.getByRole("button", { name: "Create" }).click();
      await page.getByText("A day from 1 to 31.").waitFor();
      expect(await violations(page)).toEqual([]);
      await page.getByLabel("How often").selectOption("after a time of its own");
      expect(await violations(page)).toEqual([]);
      await page.getByLabel("it goes back bit by bit").check();
      await page.getByRole("button", { name: "Create" }).click();
      await page.getByText("It needs a minimum and a maximum").waitFor();
      expect(await violations(page)).toEqual([]);
      const wider = await page
        .locator("dialog")
        .evaluate((dialog) => dialog.scrollWidth - dialog.clientWidth);
      expect(wider).toBe(0);
      const beyond = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
      expect(beyond).toBeLessThanOrEqual(0);
      await page.close(); // Else it would go on asking.
    }
  });
});
