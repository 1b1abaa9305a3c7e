/** The server is killed while its page is open, and comes back. */
import { expect, it } from "vitest";
import { restartable } from "../cli/process/server.ts";
import { describeWith } from "../support/needs.ts";
import { open } from "../transports/door.ts";
import { BROWSER, button, row, shows, told, useBrowser, visit } from "./browser.ts";

useBrowser();

describeWith([BROWSER], "the page of a server that is killed", () => {
  it("says so, keeps what it showed, and goes on when the server is back; what was clicked counts once", async () => {
    const server = await restartable();
    const port = Number(server.address.split(":")[1]);
    const page = await visit(port);
    await page.getByRole("button", { name: "New counter" }).click();
    await page.getByLabel("Name").fill("visits");
    await page.getByRole("button", { name: "Create" }).click();
    await shows(page, "visits", "0");
    await button(page, "visits", "increment").click();
    await shows(page, "visits", "1");

    await server.kill();
    await page.getByText("The server does not answer.").waitFor();
    expect(await page.locator(".link").textContent()).toBe("Not connected");
    expect(await page.getByText(/Trying again in \d+ s|Trying …/).count()).toBe(1);
    await shows(page, "visits", "1");
    await button(page, "visits", "increment").click();
    const note = row(page, "visits").locator(".note");
    await note.getByText("Sending this change again until there is an answer; it counts once.").waitFor();
    expect(await button(page, "visits", "increment").getAttribute("aria-disabled")).toBe("true");

    await server.start();
    await shows(page, "visits", "2");
    expect(await told(page).textContent()).toBe("visits is now 2.");
    await note.waitFor({ state: "detached" });
    await page.getByText("Live", { exact: true }).waitFor();
    expect(await page.getByText("The server does not answer.").count()).toBe(0);
    expect(await server.values("visits")).toEqual([2n]);
  });

  it("stops sending when told to, and then says that nobody knows", async () => {
    await using opened = await open();
    await opened.client.increment({ name: "visits" });
    const page = await visit(opened.door.port);
    await page.route("**/Increment", async (route) => {
      await route.fetch(); // It is counted,
      await route.abort("connectionreset"); // and nobody hears of it.
    });
    await button(page, "visits", "increment").click();
    await row(page, "visits").getByRole("button", { name: "Stop" }).click();
    const note = row(page, "visits").getByRole("alert");
    await note.getByText("No answer came, so this may or may not have been counted.").waitFor();
    expect(await note.textContent()).toContain("OUTCOME_UNKNOWN");
    await shows(page, "visits", "2");
    await page.unrouteAll();
    await button(page, "visits", "increment").click();
    await shows(page, "visits", "3");
    expect(await note.count()).toBe(0);
  });
});
