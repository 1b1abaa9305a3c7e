import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { CounterService } from "../../gen/browser/tally/v1/counter_service_pb.ts";
import { openConsole } from "./console.tsx";

// Relative to the page, so that a proxy may give Tally a path of its own.
const transport = createConnectTransport({ baseUrl: new URL(".", location.href).href });
openConsole(document.querySelector("#console")!, createClient(CounterService, transport), transport);
