// The server's time, as near as documents tell it. A document can only be older than it looks, never younger, so of
// the differences seen lately the largest is the nearest; the shopper's own clock decides nothing.

const SAMPLES_MAX = 8; // half a minute of polling: steady, and soon right again after a clock was set

export class ServerClock {
  #samples = [];

  /** `ageSeconds` is what a cache on the way says about the document. */
  learn(serverTime, ageSeconds) {
    const difference = Date.parse(serverTime) + ageSeconds * 1000 - Date.now();
    if (!Number.isNaN(difference)) this.#samples = [...this.#samples, difference].slice(-SAMPLES_MAX);
  }

  forget() {
    this.#samples = [];
  }

  now() {
    return Date.now() + (this.#samples.length ? Math.max(...this.#samples) : 0);
  }

  /** Seconds from now until `instant`; negative when it has passed. */
  until(instant) {
    return (Date.parse(instant) - this.now()) / 1000;
  }
}
