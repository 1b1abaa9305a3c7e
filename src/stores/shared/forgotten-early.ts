/** Tells the operator that the room for request ids is used up, once while it is. */
export class ForgottenEarly {
  #told = false;

  /** @param early  whether ids are forgotten before their time */
  tell(early: boolean, warn: (message: string) => void): void {
    if (early && !this.#told) warn(FORGOTTEN_EARLY);
    this.#told = early;
  }
}

const FORGOTTEN_EARLY =
  "The room for request ids is used up: the oldest are forgotten before their time, though never younger than the " +
  "floor. Give them more room to keep them longer.";
