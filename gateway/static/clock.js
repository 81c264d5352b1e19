// The server's time, as near as documents tell it. A document can only be older than it looks, never younger, so of
// the differences seen lately the largest is the nearest; the shopper's own clock decides nothing.

const SAMPLES_MAX = 8; // about half a minute of polling: long enough to be steady, short enough to follow a set clock

export class ServerClock {
  #samples = [];

  /** Learns from a document's `server_time`; `ageSeconds` is what a cache on the way says about it. */
  learn(serverTime, ageSeconds = 0) {
    const told = Date.parse(serverTime) + ageSeconds * 1000;
    if (Number.isNaN(told)) return;
    this.#samples.push(told - Date.now());
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
  }

  /** Forgets what was learned: after a sleep the shopper's clock may have been set. */
  forget() {
    this.#samples = [];
  }

  now() {
    return Date.now() + (this.#samples.length ? Math.max(...this.#samples) : 0);
  }

  /** Seconds from now until `instant` (RFC 3339); negative when it has passed. */
  until(instant) {
    return (Date.parse(instant) - this.now()) / 1000;
  }
}
