/** The page about Envoy shows what is so: a real one is set up as it says, from nothing. */
import { runsAsShown } from "../../docs/shown.ts";
import { ENVOY } from "../proxies/proxy.ts";
import { patient } from "./envoy.ts";

await runsAsShown("docs/envoy.md", {
  needs: [ENVOY],
  ports: [10_000, 3000],
  files: { "deploy/envoy/limits.yaml": patient },
});
