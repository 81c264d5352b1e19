// Live notices: Server-Sent Events over fetch, since EventSource cannot carry an Authorization header. Last-Event-ID
// brings what was told while the phone slept.

import { retryDelay } from "./line.js";

const SILENCE_SECONDS_MAX = 60; // the gateway breathes far more often; a silent stream is a dead one
const EVENT_CHARACTERS_MAX = 65_536;

export class Notices {
  #run = null;
  #lastId = "";
  #failures = 0;

  constructor(gateway, { onEvent, onRefused }) {
    Object.assign(this, { gateway, onEvent, onRefused });
  }

  async open() {
    if (this.#run) return;
    const run = (this.#run = new AbortController());
    while (!run.signal.aborted) {
      const retryAfter = await this.#listen(run.signal).catch(() => 0);
      this.#failures += 1;
      await new Promise((resume) => setTimeout(resume, retryDelay(this.#failures, retryAfter) * 1000));
    }
  }

  close() {
    this.#run?.abort();
    this.#run = null;
  }

  async #listen(stopped) {
    const silence = new AbortController();
    let watch;
    const heard = () => {
      clearTimeout(watch);
      watch = setTimeout(() => silence.abort(), SILENCE_SECONDS_MAX * 1000);
    };
    heard();
    try {
      const headers = this.gateway.headers(this.#lastId && { "Last-Event-ID": this.#lastId });
      const answer = await fetch("/v1/me/events", { headers, signal: AbortSignal.any?.([stopped, silence.signal]) ?? stopped, cache: "no-store" });
      if (!answer.ok) return this.#refused(answer);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        heard();
        this.#failures = 0;
        const events = (rest + piece.value).split("\n\n");
        rest = events.pop().slice(-EVENT_CHARACTERS_MAX);
        events.forEach((event) => this.#tell(event));
      }
      return 0;
    } finally {
      clearTimeout(watch);
      silence.abort();
    }
  }

  #refused(answer) {
    if (answer.status === 401) {
      this.close();
      this.onRefused();
    }
    return Number(answer.headers.get("Retry-After")) || 0;
  }

  #tell(event) {
    const field = (name) => event.match(new RegExp(`^${name}: ?(.*)$`, "m"))?.[1];
    const data = field("data");
    if (data) this.onEvent(field("event"), JSON.parse(data));
    this.#lastId = field("id") ?? this.#lastId;
  }
}
