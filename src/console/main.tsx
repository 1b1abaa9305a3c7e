import { createConnectTransport } from "@connectrpc/connect-web";
import { openConsole } from "./console.tsx";

// Relative to the page, so that a proxy may give Tally a path of its own.
const baseUrl = new URL(".", location.href).href;
const auth = document.querySelector<HTMLMetaElement>('meta[name="tally-auth"]')?.content;
openConsole(document.querySelector("#console")!, { baseUrl, asksWhoCalls: auth !== "off" }, (interceptors) =>
  createConnectTransport({ baseUrl, interceptors }),
);
