/** What people do on the page, in a real browser, on a server of each test's own. */
import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { describeWith } from "../support/needs.ts";
import { open } from "../transports/door.ts";
import { BROWSER, button, newTab, row, shows, told, useBrowser, visit } from "./browser.ts";

useBrowser();

const INT64_MAX = 2n ** 63n - 1n;

const NO_NAME = "A name has no spaces or accents, no - at the beginning, and 200 letters at most.";

describeWith([BROWSER], "the page", () => {
  it("counts up and down by the step, and says what it came to", async () => {
    await using opened = await open();
    const { client } = opened;
    await client.increment({ name: "visits", amount: 1_233n });
    const page = await visit(opened.door.port);
    await button(page, "visits", "increment").click();
    await shows(page, "visits", "1,234");
    expect(await told(page).textContent()).toBe("visits is now 1,234.");
    await page.getByLabel("Step").fill("1,000");
    await button(page, "visits", "decrement").click();
    await shows(page, "visits", "234");
    expect((await client.getCounter({ name: "visits" })).counter).toMatchObject({
      value: 234n,
      revision: 3n,
    });
  });

  it("counts every one of many quick clicks", async () => {
    await using opened = await open();
    await opened.client.increment({ name: "clicks" });
    const page = await visit(opened.door.port);
    await button(page, "clicks", "increment").click({ clickCount: 25, delay: 0 });
    await shows(page, "clicks", "26");
    expect((await opened.client.getCounter({ name: "clicks" })).counter).toMatchObject({ revision: 26n });
  });

  it("is exact to the edges of int64", async () => {
    await using opened = await open();
    await opened.client.set({ name: "high", value: INT64_MAX - 1n });
    await opened.client.set({ name: "low", value: -INT64_MAX });
    const page = await visit(opened.door.port);
    await button(page, "high", "increment").click();
    await shows(page, "high", "9,223,372,036,854,775,807");
    await button(page, "low", "decrement").click();
    await shows(page, "low", "-9,223,372,036,854,775,808");
    expect(await titles(page, "high")).toEqual(["Decrement by 1", "It is at the highest value there is"]);
    expect(await titles(page, "low")).toEqual(["It is at the lowest value there is", "Increment by 1"]);
    await button(page, "high", "decrement").click();
    await shows(page, "high", "9,223,372,036,854,775,806");
    await page.getByLabel("Step").fill("2");
    await button(page, "high", "increment").click();
    const note = await row(page, "high").getByRole("alert").textContent();
    expect(note).toContain("9223372036854775806 + 2 is above the maximum 9223372036854775807");
    expect(note).toContain("No counter can go further.");
    expect(note).not.toContain("raised");
    expect((await opened.client.getCounter({ name: "high" })).counter!.value).toBe(INT64_MAX - 1n);
  });

  it("says why a change is refused, what that is called and what to do, until the next is made", async () => {
    await using opened = await open();
    await opened.client.createCounter({ name: "seats", initial: 10n, min: 0n, max: 10n });
    const page = await visit(opened.door.port);
    await button(page, "seats", "increment").click({ force: true }); // At its maximum, it does nothing.
    expect(await titles(page, "seats")).toEqual(["Decrement by 1", "It is at its maximum"]);
    await button(page, "seats", "decrement").click();
    await shows(page, "seats", "9");
    await page.getByLabel("Step").fill("3");
    await button(page, "seats", "increment").click();
    const note = row(page, "seats").getByRole("alert");
    expect(await note.locator("p").textContent()).toBe(
      "9 + 3 is above the maximum 10; the value stays 9. Use a smaller step, or have its maximum raised. ABOVE_MAX",
    );
    await page.getByLabel("Step").fill("1");
    await button(page, "seats", "decrement").click();
    await shows(page, "seats", "8");
    expect(await note.count()).toBe(0);
    await page.getByLabel("Step").fill("100");
    await button(page, "seats", "decrement").click();
    await note.getByRole("button", { name: "Dismiss" }).click();
    expect(await note.count()).toBe(0);
  });

  it("takes no step but a whole number from 1, and counts nothing with another", async () => {
    await using opened = await open();
    await opened.client.increment({ name: "visits" });
    const page = await visit(opened.door.port);
    const [none, large] = ["A whole number from 1.", "It is too large: 9,223,372,036,854,775,807 at most."];
    const steps = Object.entries({ "0": none, "-1": none, "1.5": none, "1,5": none, x: none, "": none });
    for (const [step, wrong] of [
      ...steps,
      ["9223372036854775808", large],
      ["1".repeat(80), large],
    ] as const) {
      await page.getByLabel("Step").fill(step);
      await page.getByRole("alert").getByText(wrong, { exact: true }).waitFor();
      await button(page, "visits", "increment").click({ force: true });
    }
    await page.getByLabel("Step").fill("5");
    await button(page, "visits", "increment").click();
    await shows(page, "visits", "6");
    expect((await opened.client.getCounter({ name: "visits" })).counter!.revision).toBe(2n);
  });

  it("makes a counter with bounds and all", async () => {
    await using opened = await open();
    const page = await visit(opened.door.port);
    await page.getByText("Nothing is counted yet.").waitFor();
    await page.getByRole("button", { name: "New counter" }).click();
    const dialog = page.getByRole("dialog", { name: "New counter" });
    await dialog.getByLabel("Name").fill("quota.api");
    await dialog.getByLabel("Starts at").fill("5");
    await dialog.getByLabel("Minimum").fill("-1,000");
    await dialog.getByLabel("Maximum").fill("9,223,372,036,854,775,807");
    await dialog.getByLabel("stops at the bound").check();
    await dialog.getByLabel("It never goes down").check();
    await dialog.getByLabel("Description").fill("Calls this month");
    for (const [n, [key, value]] of [
      ["team", "web"],
      ["env", "prod, or so"],
    ].entries()) {
      await dialog.getByRole("button", { name: "Add a label" }).click();
      await dialog.getByLabel(`Key of label ${n + 1}`).fill(key!);
      await dialog.getByLabel(`Value of label ${n + 1}`).fill(value!);
    }
    await dialog.getByRole("button", { name: "Add a label" }).click(); // Nothing is typed: it is none.
    await dialog.getByRole("button", { name: "Create" }).click();
    await shows(page, "quota.api", "5");
    expect(await row(page, "quota.api").locator(".facts").textContent()).toBe(
      "-1,000 to 9,223,372,036,854,775,807, stops there · never goes down",
    );
    expect((await opened.client.getCounter({ name: "quota.api" })).counter).toMatchObject({
      value: 5n,
      initial: 5n,
      min: -1_000n,
      max: INT64_MAX,
      onBound: 2,
      monotonic: true,
      description: "Calls this month",
      labels: { team: "web", env: "prod, or so" },
    });
  });

  it("marks a label that has no key, or one twice, or one that the server refuses", async () => {
    await using opened = await open();
    const page = await visit(opened.door.port);
    await page.getByRole("button", { name: "New counter" }).click();
    const dialog = page.getByRole("dialog");
    const create = dialog.getByRole("button", { name: "Create" });
    const key = (n: number) => dialog.getByLabel(`Key of label ${n}`);
    const invalid = () =>
      page.evaluate<string[]>(
        `[...document.querySelectorAll("[aria-invalid=true]")].map((e) => e.getAttribute("aria-label"))`,
      );
    await dialog.getByLabel("Name").fill("a");
    for (const n of [1, 2, 3]) {
      await dialog.getByRole("button", { name: "Add a label" }).click();
      await dialog.getByLabel(`Value of label ${n}`).fill(`v${n}`);
    }
    await key(1).fill("Team");
    await key(3).fill("Team");
    await create.click();
    await dialog.getByText("A label needs a key").waitFor();
    expect(await invalid()).toEqual(["Key of label 2", "Key of label 3"]);
    expect((await opened.client.listCounters({})).counters).toEqual([]);
    await dialog.getByRole("button", { name: "Remove label 2" }).click();
    await key(2).fill("env");
    await create.click();
    await dialog.locator(".pair [role=alert]").getByText("small letters").waitFor();
    expect(await invalid()).toEqual(["Key of label 1"]);
    expect(await dialog.locator(".note").count()).toBe(0); // It is said once, and where it is wrong.
    await key(1).fill("team");
    await create.click();
    await shows(page, "a", "0");
    expect((await opened.client.getCounter({ name: "a" })).counter!.labels).toEqual({
      team: "v1",
      env: "v3",
    });
  });

  it("resets a value after saying what that changes, and not if somebody else has changed it", async () => {
    await using opened = await open();
    await opened.client.createCounter({ name: "seats", initial: 40n, value: 3n });
    await opened.client.createCounter({ name: "total", value: 3n, monotonic: true });
    const page = await visit(opened.door.port);
    await holdPolls(page);
    await button(page, "seats", "reset").click();
    const dialog = page.getByRole("dialog", { name: "Reset a counter" });
    expect(await dialog.locator("p").nth(1).textContent()).toBe("It goes back to its initial value, 40.");
    expect(await dialog.locator("dl").textContent()).toBe("Now3Changes by+37");
    await dialog.getByLabel("Only if nobody else").check();
    await opened.client.increment({ name: "seats" });
    await dialog.getByRole("button", { name: "Reset" }).click();
    await dialog.getByRole("alert").getByText("ETAG_MISMATCH").waitFor();
    expect((await opened.client.getCounter({ name: "seats" })).counter!.value).toBe(4n);
    await page.unrouteAll();
    await dialog.locator("dd").first().and(page.locator(':text-is("4")')).waitFor();
    await dialog.getByRole("button", { name: "Reset" }).click();
    await shows(page, "seats", "40");
    expect(await told(page).textContent()).toBe("seats is now 40.");
    await button(page, "total", "reset").click({ force: true });
    expect(await page.getByRole("dialog").count()).toBe(0);
  });

  it("changes of the settings what the person changed, and not the value", async () => {
    await using opened = await open();
    const labels = { team: "web", old: "1" };
    const before = {
      name: "quota",
      value: 5n,
      initial: 1n,
      min: 0n,
      max: 10n,
      labels,
      description: " as it is ",
    };
    await opened.client.createCounter(before);
    const page = await visit(opened.door.port);
    const sent: Record<string, unknown>[] = [];
    await page.route("**/UpdateCounter", (route) => {
      sent.push(route.request().postDataJSON());
      return route.continue();
    });
    await button(page, "quota", "edit").click();
    const dialog = page.getByRole("dialog", { name: "Settings" });
    const shown = ["Resets to", "Minimum", "Maximum", "Description"].map((label) =>
      dialog.getByLabel(label).inputValue(),
    );
    expect(await Promise.all(shown)).toEqual(["1", "0", "10", " as it is "]);
    await dialog.getByRole("button", { name: "Save" }).click();
    expect(await told(page).textContent()).toBe("Nothing was changed of quota.");
    expect(sent).toEqual([]);
    await button(page, "quota", "edit").click();
    await dialog.getByLabel("Minimum").fill("");
    await dialog.getByLabel("Maximum").fill("4");
    await dialog.getByRole("button", { name: "Remove label 2, old" }).click();
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.getByRole("alert").getByText("VALUE_OUTSIDE_BOUNDS").waitFor();
    await dialog.getByLabel("Maximum").fill("1,000");
    await dialog.getByRole("button", { name: "Save" }).click();
    await row(page, "quota").getByText("at most 1,000").waitFor();
    const { counter } = await opened.client.getCounter({ name: "quota" });
    expect(counter).toMatchObject({
      ...{ value: 5n, revision: 1n, initial: 1n, max: 1_000n, description: " as it is " },
      ...{ labels: { team: "web" }, settingsRevision: 2n },
    });
    expect(counter!.min).toBeUndefined();
    expect(sent.map(({ updateMask }) => updateMask)).toEqual(["min,max,labels", "min,max,labels"]);
  });

  it("does not undo settings that somebody else changed meanwhile, and shows them", async () => {
    await using opened = await open();
    const { client } = opened;
    await client.createCounter({ name: "quota", max: 10n, labels: { team: "web" }, description: "theirs" });
    const page = await visit(opened.door.port);
    await button(page, "quota", "edit").click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Description").fill("mine");
    await client.updateCounter({ name: "quota", max: 20n, labels: { team: "ops" }, description: "new" });
    await dialog.getByRole("button", { name: "Save" }).click();
    await dialog.getByRole("alert").getByText("ETAG_MISMATCH").waitFor();
    await expect.poll(() => dialog.getByLabel("Maximum").inputValue()).toBe("20");
    expect(await dialog.getByLabel("Value of label 1").inputValue()).toBe("ops");
    expect(await dialog.getByLabel("Description").inputValue()).toBe("mine");
    await dialog.getByRole("button", { name: "Save" }).click();
    await row(page, "quota").getByText("mine").waitFor();
    expect((await client.getCounter({ name: "quota" })).counter).toMatchObject({
      ...{ max: 20n, labels: { team: "ops" }, description: "mine", settingsRevision: 3n },
    });
  });

  it("keeps what was typed when a counter cannot be made, and marks what is wrong", async () => {
    await using opened = await open();
    await opened.client.increment({ name: "taken" });
    const page = await visit(opened.door.port);
    await page.getByRole("button", { name: "New counter" }).click();
    const dialog = page.getByRole("dialog");
    const create = dialog.getByRole("button", { name: "Create" });
    await dialog.getByLabel("Name").fill("two words");
    await dialog.getByLabel("Maximum").fill("1,5");
    await create.click();
    expect(await dialog.getByLabel("Maximum").getAttribute("aria-invalid")).toBe("true");
    await dialog.getByLabel("Maximum").fill("15");
    await create.click();
    const wrong = (label: string) => dialog.locator(".field", { hasText: label }).getByRole("alert");
    await wrong("Name").getByText("letters, digits and signs without spaces").waitFor();
    expect(await dialog.getByLabel("Name").getAttribute("aria-invalid")).toBe("true");
    await expect.poll(() => page.evaluate("document.activeElement.labels?.[0]?.textContent")).toBe("Name");
    await dialog.getByLabel("Name").fill("taken");
    await create.click();
    await wrong("Name").getByText("There is a counter of this name already.").waitFor();
    expect(await dialog.getByLabel("Name").getAttribute("aria-invalid")).toBe("true");
    await dialog.getByLabel("Name").fill("free");
    await dialog.getByLabel("Minimum").fill("16");
    await create.click();
    await wrong("Minimum").getByText("The minimum is above the maximum.").waitFor();
    await dialog.getByLabel("Minimum").fill("1");
    await create.click();
    await wrong("Starts at").getByText("0 is outside the bounds 1 to 15.").waitFor();
    expect(await dialog.locator(".note").count()).toBe(0);
    await dialog.getByLabel("Minimum").fill("");
    await create.click();
    await shows(page, "free", "0");
    expect((await opened.client.getCounter({ name: "free" })).counter).toMatchObject({
      max: 15n,
      revision: 1n,
    });
  });

  it("sets a value after saying what that changes", async () => {
    await using opened = await open();
    await opened.client.increment({ name: "stock", amount: 1_000n });
    const page = await visit(opened.door.port);
    await button(page, "stock", "set").click();
    const dialog = page.getByRole("dialog", { name: "Set a counter" });
    await dialog.getByLabel("New value").fill("-250");
    expect(await dialog.locator("dl").textContent()).toBe("Now1,000Changes by-1,250");
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await dialog.waitFor({ state: "detached" });
    expect((await opened.client.getCounter({ name: "stock" })).counter!.value).toBe(1_000n);
    await button(page, "stock", "set").click();
    await dialog.getByLabel("New value").fill("-250");
    await dialog.getByRole("button", { name: "Set" }).click();
    await shows(page, "stock", "-250");
  });

  it("sets a value only if nobody else has changed it, when asked to", async () => {
    await using opened = await open();
    await opened.client.increment({ name: "stock", amount: 10n });
    const page = await visit(opened.door.port);
    await holdPolls(page);
    await button(page, "stock", "set").click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("New value").fill("3");
    await dialog.getByLabel("Only if nobody else").check();
    await opened.client.increment({ name: "stock" });
    await dialog.getByRole("button", { name: "Set" }).click();
    await dialog.getByRole("alert").getByText("ETAG_MISMATCH").waitFor();
    expect((await opened.client.getCounter({ name: "stock" })).counter!.value).toBe(11n);
    await page.unrouteAll();
    await dialog.locator("dd").first().and(page.locator(':text-is("11")')).waitFor();
    await dialog.getByRole("button", { name: "Set" }).click();
    await shows(page, "stock", "3");
  });

  it("deletes a counter when its name is typed, and not before", async () => {
    await using opened = await open();
    for (const name of ["a", "old", "z"]) await opened.client.increment({ name, amount: 7n });
    const page = await visit(opened.door.port);
    await button(page, "old", "delete").click();
    const dialog = page.getByRole("dialog", { name: "Delete a counter" });
    await dialog.getByRole("button", { name: "Delete" }).click();
    await dialog.getByText("This is not its name.").waitFor();
    await dialog.getByLabel("Type its name").fill("old");
    await dialog.getByRole("button", { name: "Delete" }).click();
    await row(page, "old").waitFor({ state: "detached" });
    expect(await told(page).textContent()).toBe("Deleted old; its last value was 7.");
    expect(await page.locator(".row").count()).toBe(2);
    await expect(opened.client.getCounter({ name: "old" })).rejects.toThrow(/NOT_FOUND/);
  });

  it("finds counters by the beginning of their names, which stands in the address", async () => {
    await using opened = await open();
    for (const name of ["shop.carts", "shop.views", "shopping", "user:42"])
      await opened.client.increment({ name });
    const page = await visit(opened.door.port);
    const names = () => page.locator(".row h2").allTextContents();
    await page.getByLabel("Search").fill("shop.");
    await row(page, "user:42").waitFor({ state: "detached" });
    expect(await names()).toEqual(["shop.carts", "shop.views"]);
    expect(new URL(page.url()).search).toBe("?prefix=shop.");
    await page.reload();
    await row(page, "shop.views").waitFor();
    expect([await names(), await page.getByLabel("Search").inputValue()]).toEqual([
      ["shop.carts", "shop.views"],
      "shop.",
    ]);
    await page.getByLabel("Search").fill("nothing");
    await page.locator(".empty p", { hasText: "No name begins with nothing." }).waitFor();
    for (const none of ["två", "a b", "-a", "<img src=x onerror=alert(1)>"]) {
      await page.getByLabel("Search").fill(none);
      await page.locator("search").getByRole("alert").waitFor();
      expect(await page.locator("search").getByRole("alert").textContent()).toBe(NO_NAME);
      expect(await page.getByLabel("Search").getAttribute("aria-invalid")).toBe("true");
      await page.getByLabel("Search").fill("user");
      await page.locator("search").getByRole("alert").waitFor({ state: "detached" });
    }
    await page.goto(`${new URL("/?prefix=a%20b", page.url())}`);
    await page.locator("search").getByText(NO_NAME).waitFor();
    await page.getByLabel("Search").fill("");
    await row(page, "user:42").waitFor();
    expect(await page.getByRole("alert").count()).toBe(0);
  });

  it("turns pages through more than a thousand counters, and never holds more than one", async () => {
    await using opened = await open();
    const all = Array.from({ length: 1_045 }, (_, i) => `item.${String(i).padStart(4, "0")}`);
    await opened.client.batchApply({
      operations: all.map((name) => ({ name, action: { case: "increment" as const, value: 1n } })),
    });
    const page = await visit(opened.door.port);
    const next = page.getByRole("button", { name: "Next" });
    for (let from = 0; from < all.length; from += 50) {
      if (from > 0) await next.click();
      await row(page, all[from]!).waitFor();
      expect(await page.locator(".row h2").allTextContents()).toEqual(all.slice(from, from + 50));
    }
    await page.getByText("Page 21", { exact: true }).waitFor();
    expect(await next.getAttribute("aria-disabled")).toBe("true");
    await page.getByRole("button", { name: "Previous" }).click();
    await row(page, "item.0950").waitFor();
  });

  it("has an address for each page, and Back leads through pages and searches", async () => {
    await using opened = await open();
    const all = Array.from({ length: 160 }, (_, i) => `item.${String(i).padStart(4, "0")}`);
    await opened.client.batchApply({
      operations: all.map((name) => ({ name, action: { case: "increment" as const, value: 1n } })),
    });
    const page = await visit(opened.door.port);
    for (const from of [50, 100]) {
      await page.getByRole("button", { name: "Next" }).click();
      await row(page, all[from]!).waitFor();
    }
    const third = page.url();
    expect(new URL(third).searchParams.get("page")).toBe("3");
    await page.getByLabel("Search").pressSequentially("item.015", { delay: 200 }); // As one types.
    await row(page, "item.0150").waitFor();
    await row(page, "item.0100").waitFor({ state: "detached" });
    await page.goBack();
    await row(page, "item.0100").waitFor();
    expect([page.url(), await page.getByLabel("Search").inputValue()]).toEqual([third, ""]);
    await page.goBack();
    await row(page, "item.0050").waitFor();
    await page.goForward();
    await row(page, "item.0100").waitFor();
    await page.reload();
    await row(page, "item.0100").waitFor();
    await page.getByRole("button", { name: "Previous" }).click();
    await row(page, "item.0050").waitFor();

    const sent = await newTab();
    await sent.goto(third);
    await row(sent, "item.0100").waitFor();
    await sent.getByText("Page 3", { exact: true }).waitFor();
    await sent.getByRole("button", { name: "Previous" }).click(); // Nobody knows the second.
    await row(sent, "item.0000").waitFor();
    await sent.goto(third.replace(/from=[^&]*/, "from=forged"));
    await row(sent, "item.0000").waitFor();
    expect(new URL(sent.url()).search).toBe("");
  });

  it("forgets what it has told when it is no news any more", async () => {
    await using opened = await open();
    await opened.client.increment({ name: "visits" });
    const page = await newTab();
    await page.clock.install();
    await page.goto(`http://127.0.0.1:${opened.door.port}/`);
    await button(page, "visits", "increment").click();
    await told(page).getByText("visits is now 2.").waitFor();
    await page.clock.fastForward(11_000);
    await expect.poll(() => told(page).textContent()).toBe("");
  });

  it.each([320, 768, 1024, 1440])(
    "a wrong step moves nothing over the button, at %i pixels",
    async (width) => {
      await using opened = await open();
      const page = await visit(opened.door.port, { viewport: { width, height: 800 } });
      for (const step of ["1", "x"]) {
        await page.getByLabel("Step").fill(step);
        const field = (await page.getByLabel("Step").boundingBox())!;
        const button = (await page.getByRole("button", { name: "New counter" }).boundingBox())!;
        expect(field.x + field.width <= button.x || field.y + field.height <= button.y).toBe(true);
      }
      expect(await page.getByRole("alert").textContent()).toContain("A whole number from 1");
      expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
    },
  );

  it("keeps up with what others count, make and delete", async () => {
    await using opened = await open();
    await opened.client.increment({ name: "visits" });
    await opened.client.increment({ name: "doomed" });
    const page = await visit(opened.door.port);
    await opened.client.increment({ name: "visits", amount: 41n });
    await opened.client.increment({ name: "newcomer" });
    await opened.client.deleteCounter({ name: "doomed" });
    await shows(page, "visits", "42");
    await shows(page, "newcomer", "1");
    expect(await row(page, "doomed").count()).toBe(0);
  });

  it("asks nothing while its tab is hidden, and at once when it is shown again", async () => {
    await using opened = await open();
    await opened.client.increment({ name: "visits" });
    const page = await newTab();
    await page.clock.install();
    await page.goto(`http://127.0.0.1:${opened.door.port}/`);
    await shows(page, "visits", "1");
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    await look(page, "hidden");
    await opened.client.increment({ name: "visits" });
    await page.clock.runFor(600_000);
    expect(asked).toEqual([]);
    await look(page, "visible");
    await shows(page, "visits", "2");
  });

  it("counts once what is answered only at the third time of asking", async () => {
    await using opened = await open();
    await opened.client.increment({ name: "visits", amount: 10n });
    const page = await visit(opened.door.port);
    const ids: string[] = [];
    await page.route("**/Increment", async (route) => {
      ids.push(route.request().postDataJSON().requestId);
      if (ids.length > 2) return route.continue();
      await route.fetch(); // It is counted,
      await route.abort("connectionreset"); // and nobody hears of it.
    });
    await button(page, "visits", "increment").click();
    await row(page, "visits").getByText("Sending this change again").waitFor();
    await shows(page, "visits", "11");
    await row(page, "visits").locator(".note").waitFor({ state: "detached" });
    expect([ids.length, new Set(ids).size]).toEqual([3, 1]);
    expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect((await opened.client.getCounter({ name: "visits" })).counter).toMatchObject({
      value: 11n,
      revision: 2n,
    });
  });

  it("does not go back to a list that was asked for before the last change", async () => {
    await using opened = await open();
    await opened.client.increment({ name: "visits" });
    const page = await visit(opened.door.port);
    const [asked, release, late] = [0, 0, 0].map(() => Promise.withResolvers<void>());
    await page.route(
      "**/ListCounters",
      async (route) => {
        const answer = await route.fetch(); // As it was before the change,
        asked!.resolve();
        await release!.promise;
        await route.fulfill({ response: answer }); // and it arrives after it.
        late!.resolve();
      },
      { times: 1 },
    );
    await asked!.promise;
    await page.evaluate(`{
      globalThis.values = [];
      const look = () => values.push(document.querySelector(".value").textContent);
      new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
    }`);
    await button(page, "visits", "increment").click();
    await shows(page, "visits", "2");
    const next = page.waitForRequest("**/ListCounters");
    release!.resolve();
    await late!.promise;
    await (await next).response();
    await opened.client.increment({ name: "visits" });
    await shows(page, "visits", "3");
    const seen = await page.evaluate<string[]>("values");
    expect(seen.filter((value, i) => value !== seen[i - 1])).toEqual(
      ["1", "2", "3"].slice(seen[0] === "1" ? 0 : 1),
    );
  });

  it("shows a damaged counter as one, between its neighbours", async () => {
    await using opened = await open();
    for (const name of ["a", "c"]) await opened.client.increment({ name });
    const page = await newTab();
    await page.route("**/ListCounters", async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, json: { ...(await answer.json()), corruptNames: ["b"] } });
    });
    await page.goto(`http://127.0.0.1:${opened.door.port}/`);
    await row(page, "b").getByText("ROW_CORRUPT").waitFor();
    expect(await page.locator(".row h2").allTextContents()).toEqual(["a", "b", "c"]);
    expect(await row(page, "b").getByRole("button").count()).toBe(0);
  });
});

/** The page asks and gets no answer, until `unrouteAll`. */
async function holdPolls(page: Page): Promise<void> {
  await page.route("**/ListCounters", () => {});
}

async function look(page: Page, state: "hidden" | "visible"): Promise<void> {
  await page.evaluate(`
    Object.defineProperty(document, "visibilityState", { configurable: true, value: "${state}" });
    document.dispatchEvent(new Event("visibilitychange"));
  `);
}

/** What the buttons down and up say that they do. */
async function titles(page: Page, name: string): Promise<(string | null)[]> {
  return Promise.all(
    (["decrement", "increment"] as const).map((does) => button(page, name, does).getAttribute("title")),
  );
}
