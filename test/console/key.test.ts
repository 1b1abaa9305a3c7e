/** The page and who looks at it: it asks for a key, keeps it in its tab, and offers what its holder may do. */
import { create, toBinary } from "@bufbuild/protobuf";
import type { Page } from "playwright-core";
import { describe, expect, it, onTestFinished } from "vitest";
import { AdminService, WhoAmIResponseSchema } from "../../gen/tally/v1/admin_service_pb.ts";
import type { Refusal } from "../../src/core/errors.ts";
import type { Authorise, Permit } from "../../src/transports/calls/authorise.ts";
import type { UnaryCall } from "../../src/transports/calls/call.ts";
import { violations } from "../support/axe.ts";
import { describeWith } from "../support/needs.ts";
import { type Opened, open } from "../transports/door.ts";
import { BROWSER, button, newTab, row, shows, useBrowser } from "./browser.ts";

useBrowser();

const ADMIN = "tally_admin0000000_secret_crc123";
const SHOP = "tally_shop00000000_secret_crc123";

/** Whoever has these keys may do so much. */
const GRANTS: Readonly<Record<string, readonly string[]>> = {
  admin: ["all@"],
  shop: ["read,increment@shop.", "read@"],
};

/** A server that asks who calls, and knows two keys. */
function openAsking(): Promise<Opened> {
  return open({ authorise, authenticates: true, unaryCalls: [WHO_AM_I] });
}

const authorise: Authorise = ({ headerOf, method }): Permit | Refusal => {
  const given = headerOf("authorization");
  if (given === `Bearer ${ADMIN}`) return { caller: "admin" };
  if (given === `Bearer ${SHOP}`) return { caller: "shop" };
  if (given !== undefined) return { code: "CREDENTIAL_INVALID" };
  return method.name === "WhoAmI" || seeding || anonymous.length > 0
    ? { caller: "" }
    : { code: "CREDENTIAL_MISSING" };
};

let seeding = false;

/** What may be done without a key. */
let anonymous: readonly string[] = [];

const WHO_AM_I: UnaryCall = {
  method: AdminService.method.whoAmI,
  changes: false,
  requestBytesMax: 1_024,
  authorise,
  refusalAhead: () => undefined,
  answer: async (_, { caller }) =>
    toBinary(
      WhoAmIResponseSchema,
      create(WhoAmIResponseSchema, {
        name: caller || "anonymous",
        grants: [...(GRANTS[caller] ?? anonymous)],
        credential: caller === "" ? "none" : "key",
      }),
    ),
};

describeWith([BROWSER], "a page of a server that asks who calls", () => {
  it("asks for a key once, tells when it is none, and keeps it in this tab", async () => {
    await using opened = await asking();
    const page = await newTab();
    await page.goto(`http://127.0.0.1:${opened.door.port}/`);
    const dialog = page.getByRole("dialog", { name: "Who are you?" });
    await dialog.waitFor();
    expect(await page.locator("li.row").count()).toBe(0);
    const input = dialog.getByLabel("API key or token");
    expect(await input.getAttribute("type")).toBe("password");
    await input.fill("two words");
    await page.keyboard.press("Enter");
    await dialog.getByText("One line without spaces.").waitFor();
    await input.fill("tally_nobody000000_secret_crc123");
    await page.keyboard.press("Enter");
    await dialog.getByText("The server does not take this key.").waitFor();
    expect(await kept(page)).toBeNull();
    await input.fill(ADMIN);
    await page.keyboard.press("Enter");
    await shows(page, "shop.visits", "7");
    await dialog.waitFor({ state: "detached" });
    expect(await kept(page)).toBe(ADMIN);
    await button(page, "shop.visits", "increment").click();
    await shows(page, "shop.visits", "8");
    await page.reload();
    await shows(page, "shop.visits", "8");
    expect(await page.evaluate("document.cookie + location.href + localStorage.length")).not.toContain(
      "secret",
    );
    expect(await page.locator(".who summary").textContent()).toBe("admin");
  });

  it("may be told that there is none, does not ask again, and is asked for one", async () => {
    await using opened = await asking();
    const page = await newTab();
    await page.goto(`http://127.0.0.1:${opened.door.port}/`);
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    await page.keyboard.press("Escape");
    await page.getByText("The server wants to know who you are.").waitFor();
    await page.getByText("Not allowed").waitFor();
    expect(await dialog.count()).toBe(0);
    await page.getByRole("button", { name: "Use a key" }).click();
    await dialog.waitFor();
  });

  it("offers what the holder of the key may do, and says why not the rest", async () => {
    await using opened = await asking();
    const page = await withKey(opened, SHOP);
    await shows(page, "shop.visits", "7");
    await page.getByText("shop", { exact: true }).waitFor();
    await expect
      .poll(() => states(page, "shop.visits"))
      .toEqual({
        decrement: "You lack the permission decrement",
        increment: "",
        history: "",
        set: "You lack the permission set",
        reset: "You lack the permission set",
        edit: "You lack the permission manage",
        delete: "You lack the permission manage",
      });
    expect((await states(page, "web.visits")).increment).toBe("You lack the permission increment");
    const create = page.getByRole("button", { name: "New counter" });
    expect([await create.getAttribute("aria-disabled"), await create.getAttribute("title")]).toEqual([
      "true",
      "You lack the permission manage",
    ]);
    await create.click({ force: true });
    await button(page, "web.visits", "increment").click({ force: true });
    await button(page, "shop.visits", "delete").click({ force: true });
    await button(page, "shop.visits", "increment").click();
    await shows(page, "shop.visits", "8");
    expect(await page.getByRole("dialog").count()).toBe(0);
    await shows(page, "web.visits", "7");
  });

  it("offers nobody to create what they search for who may not", async () => {
    await using opened = await asking();
    const page = await withKey(opened, SHOP);
    await page.getByLabel("Search").fill("shop.none.");
    await page.locator(".empty q", { hasText: "shop.none." }).waitFor();
    const create = page.getByRole("button", { name: "Create it" });
    expect([await create.getAttribute("aria-disabled"), await create.getAttribute("title")]).toEqual([
      "true",
      "You lack the permission manage",
    ]);
    await create.click({ force: true });
    expect(await page.getByRole("dialog").count()).toBe(0);
  });

  it("begins with what may be seen without a key, and with all that its holder may see once there is one", async () => {
    await using opened = await asking();
    anonymous = ["read@web."];
    onTestFinished(() => {
      anonymous = [];
    });
    const page = await newTab();
    await page.goto(`http://127.0.0.1:${opened.door.port}/`);
    const search = page.getByLabel("Search");
    await expect.poll(() => search.inputValue()).toBe("web.");
    await row(page, "web.visits").waitFor();
    await row(page, "shop.visits").waitFor({ state: "detached" });
    expect(page.url()).not.toContain("prefix");
    await page.locator(".who summary").click();
    await page.getByRole("button", { name: "Use a key" }).click();
    await page.getByRole("dialog").getByLabel("API key or token").fill(ADMIN);
    await page.keyboard.press("Enter");
    await row(page, "shop.visits").waitFor();
    await expect.poll(() => search.inputValue()).toBe("");
  });

  it("forgets the key when told to, and shows nothing more of what it saw", async () => {
    await using opened = await asking();
    const page = await withKey(opened, ADMIN);
    await row(page, "web.visits").waitFor();
    await page.locator(".who summary").click();
    await page.getByText("all on all counters").waitFor();
    await page.getByRole("button", { name: "Forget the key" }).click();
    await row(page, "web.visits").waitFor({ state: "detached" });
    expect(await kept(page)).toBeNull();
    await page.getByText("The server wants to know who you are.").waitFor();
    expect(await page.getByRole("dialog").count()).toBe(0);
    await expect.poll(() => page.locator(".who summary").textContent()).toBe("anonymous");
  });

  describe.each(["light", "dark"] as const)("in %s", (colorScheme) => {
    it.each([320, 1280])(
      "axe-core finds nothing, and nothing scrolls sideways, at %s pixels",
      async (width) => {
        await using opened = await asking();
        const page = await newTab({ colorScheme, viewport: { width, height: 720 }, reducedMotion: "reduce" });
        await page.goto(`http://127.0.0.1:${opened.door.port}/`);
        const dialog = page.getByRole("dialog");
        await dialog.waitFor();
        await dialog.getByLabel("API key or token").fill("a b");
        await page.keyboard.press("Enter");
        await dialog.getByText("One line without spaces.").waitFor();
        expect(await violations(page)).toEqual([]);
        await dialog.getByLabel("API key or token").fill("tally_wrong");
        await page.keyboard.press("Enter");
        await dialog.getByText("The server does not take this key.").waitFor();
        expect(await violations(page)).toEqual([]);
        await page.keyboard.press("Escape");
        await page.getByRole("button", { name: "Use a key" }).waitFor();
        expect(await violations(page)).toEqual([]);
        await page.getByRole("button", { name: "Use a key" }).click();
        await dialog.getByLabel("API key or token").fill(SHOP);
        await page.keyboard.press("Enter");
        await row(page, "shop.visits").waitFor();
        await page.locator(".who summary").click();
        await page.getByText("read, increment on").waitFor();
        expect(await violations(page)).toEqual([]);
        expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
        await page.keyboard.press("Escape");
        await page.getByText("read, increment on").waitFor({ state: "hidden" });
      },
    );
  });
});

describeWith([BROWSER], "a page of a server that does not ask", () => {
  it("shows nothing of it, fetches nothing for it, and has nothing to say in the browser's console", async () => {
    await using opened = await open();
    await opened.client.increment({ name: "visits" });
    const page = await newTab();
    const fetched: string[] = [];
    const said: string[] = [];
    page.on("request", (request) => fetched.push(request.url()));
    page.on("console", (message) => said.push(message.text()));
    await page.goto(`http://127.0.0.1:${opened.door.port}/`);
    await shows(page, "visits", "1");
    await page.waitForLoadState("networkidle"); // Parts that may be wanted are fetched behind the first view.
    expect(fetched.filter((url) => url.includes("WhoAmI"))).toEqual([]);
    expect(said).toEqual([]);
    expect(await page.locator(".who").count()).toBe(0);
    const parts = fetched.flatMap((url) => /\/assets\/([a-z-]+)-[\w-]+\.js$/.exec(url)?.[1] ?? []);
    expect(parts).toContain("index");
    expect(parts).not.toContain("asking");
    expect(await page.getByRole("dialog").count()).toBe(0);
  });

  it("asks for a key once the server does", async () => {
    let asks = false;
    const later: Authorise = (call) => (asks ? authorise(call) : { caller: "" });
    await using opened = await open({ authorise: later, unaryCalls: [WHO_AM_I] });
    await opened.client.increment({ name: "visits" });
    const page = await newTab();
    await page.goto(`http://127.0.0.1:${opened.door.port}/`);
    await shows(page, "visits", "1");
    asks = true;
    await page.getByRole("dialog", { name: "Who are you?" }).getByLabel("API key or token").fill(SHOP);
    await page.getByRole("button", { name: "Use this key" }).click();
    await page.locator(".who summary", { hasText: "shop" }).waitFor();
  });
});

/** With two counters. */
async function asking(): Promise<Opened> {
  const opened = await openAsking();
  seeding = true;
  for (const name of ["shop.visits", "web.visits"]) await opened.client.set({ name, value: 7n });
  seeding = false;
  return opened;
}

async function withKey(opened: Opened, key: string): Promise<Page> {
  const page = await newTab();
  await page.addInitScript(
    `sessionStorage.getItem("tally-api-key") ?? sessionStorage.setItem("tally-api-key", "${key}")`,
  );
  await page.goto(`http://127.0.0.1:${opened.door.port}/`);
  await page.locator(".who summary").waitFor();
  return page;
}

function kept(page: Page): Promise<string | null> {
  return page.evaluate(`sessionStorage.getItem("tally-api-key")`);
}

/** Why each button of a row cannot be used; "" where it can. */
async function states(page: Page, name: string): Promise<Record<string, string>> {
  const script = `Object.fromEntries([...document.querySelectorAll('li.row[data-name="${name}"] [data-does]')].map(
    (b) => [b.dataset.does, b.getAttribute("aria-disabled") === "true" ? b.title : ""]))`;
  return page.evaluate(script);
}
