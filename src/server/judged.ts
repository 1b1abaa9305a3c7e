/** What keeps a server from starting, as far as that is known before its store is opened: so that such a start makes no file. */
import type { Config } from "../config.ts";
import { withoutSecrets } from "../core/secrets.ts";
import { judgeGuard } from "../guard/open-for.ts";
import type { RootKey } from "../guard/root-key.ts";
import { type StartError, storeStartFailure } from "../start-error.ts";
import { assertUnservedStore, isNewStore } from "../stores/open.ts";
import { assertFree } from "../transports/free-addresses.ts";
import { toListenError } from "./listen-failure.ts";
import { toGuardFailure } from "./opening.ts";

/**
 * Judge where it is to listen, and who is to be asked who they are.
 *
 * @returns  the root key, if there is one
 * @throws StartError  with one sentence for the operator
 */
export async function judgeStart(config: Config): Promise<RootKey | undefined> {
  await judgePorts(config);
  try {
    return await judgeGuard(config, withoutSecrets(config.store), await isNewStore(config.store));
  } catch (error) {
    throw toGuardFailure(error);
  }
}

/** Where the same server was started twice, both its port and its store are taken: that its store is says more. */
async function judgePorts(config: Config): Promise<void> {
  const { listen, grpcListen, metricsListen, store } = config;
  const addresses = [listen, grpcListen, metricsListen].filter((address) => address !== undefined);
  try {
    await assertFree(addresses);
  } catch (error) {
    const refusal = await assertUnservedStore(store).then(() => undefined, storeStartFailure);
    throw (refusal as StartError | undefined)?.reason === "STORE_IN_USE"
      ? refusal
      : toListenError(error, config);
  }
}
