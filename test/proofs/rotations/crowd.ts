import { v7 as uuidv7 } from "uuid";
import { Caller } from "./caller.ts";
import { type OpenDoor, overGrpc, overNewConnections, overRest, overStream } from "./doors.ts";
import type { Credential, Ledger } from "./ledger.ts";
import type { Site } from "./site.ts";

/** Callers at every instance, by every door, with a credential each. */
export class Crowd {
  readonly #site: Site;
  readonly #ledger: Ledger;
  /** The serial number of the certificate that an instance's newest connection was shown, by its port. */
  readonly shown = new Map<number, string>();
  /** All that there were. */
  readonly callers: Caller[] = [];
  readonly #doors: Readonly<Record<string, OpenDoor>>;

  constructor(site: Site, ledger: Ledger) {
    this.#site = site;
    this.#ledger = ledger;
    this.#doors = {
      gRPC: overGrpc,
      stream: overStream,
      REST: overRest,
      "new connections": overNewConnections((port, serial) => this.shown.set(port, serial)),
    };
  }

  /** Resolves with those who call with a credential from now on, when each of them was answered, or not. */
  async with(credential: Credential): Promise<Caller[]> {
    const { ports, signing } = this.#site;
    const callers = await Promise.all(
      ports.flatMap((port, i) =>
        this.#doorsFor(credential).map(async ([door, open]) => {
          const who = `${credential.kind}, ${door}, instance ${i + 1}`;
          const counter = `rotations.${uuidv7()}`;
          await this.#site.make(counter);
          return new Caller(who, counter, open, { port, ca: signing.ca, credential }, this.#ledger);
        }),
      ),
    );
    this.callers.push(...callers);
    await Promise.all(callers.map(({ begun }) => begun));
    return callers;
  }

  /** Handshakes cost the most: who makes one for each call has what they are about, or what all have. */
  #doorsFor({ kind }: Credential): [string, OpenDoor][] {
    const all = Object.entries(this.#doors);
    return kind === "certificate" || kind === "API key" ? all : all.slice(0, -1);
  }

  /**
   * Hold each counter against what its caller was answered, when all have stopped.
   *
   * @returns  how many counters there are
   */
  async compare(): Promise<number> {
    const counting = this.callers.filter(({ counts, answered }) => counts && answered > 0);
    for (const { who, counter, answered, failed } of counting) {
      const value = await this.#site.valueOf(counter);
      // Of a call whose connection was ended with its credential it is not known whether it was made.
      if (value < answered || value > answered + failed)
        this.#ledger.faults.push(`${who}: its counter has ${value}, answered were ${answered}`);
    }
    return counting.length;
  }
}
