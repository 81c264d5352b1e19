// Live notices: Server-Sent Events over fetch, since EventSource cannot carry an Authorization header. Reconnects with
// Last-Event-ID, so that nothing told while the phone was asleep is missed.

import { retryDelay } from "./line.js";

const SILENCE_SECONDS_MAX = 60; // the gateway breathes far more often; a silent stream is a dead one
const EVENT_CHARACTERS_MAX = 65_536;

/** Splits a stream's text into events ({id, event, data}); keeps the unfinished rest for the next piece. */
export class EventParser {
  #rest = "";

  feed(text) {
    this.#rest = (this.#rest + text).replaceAll("\r\n", "\n");
    const blocks = this.#rest.split("\n\n");
    this.#rest = blocks.pop().slice(-EVENT_CHARACTERS_MAX);
    return blocks.map(parseBlock);
  }
}

function parseBlock(block) {
  const event = { id: undefined, event: "message", data: "", retry: undefined };
  const lines = [];
  for (const line of block.split("\n")) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (field === "data") lines.push(value);
    else if (field === "id" || field === "event") event[field] = value;
    else if (field === "retry") event.retry = Number(value) / 1000 || undefined;
  }
  event.data = lines.join("\n");
  return event;
}

export class Notices {
  /** `onEvent(name, text)` for each event; `onRefused()` when the token is no longer good. */
  constructor(gateway, { onEvent, onRefused }) {
    Object.assign(this, { gateway, onEvent, onRefused, lastId: null, failures: 0, run: null });
  }

  open() {
    if (this.run) return;
    this.run = new AbortController();
    this.#keepListening(this.run.signal);
  }

  close() {
    this.run?.abort();
    this.run = null;
  }

  async #keepListening(stopped) {
    while (!stopped.aborted) {
      let wait = 0;
      try {
        await this.#listen(stopped);
      } catch (error) {
        wait = error.retryAfter ?? 0;
      }
      if (stopped.aborted) return;
      this.failures += 1;
      await new Promise((resume) => setTimeout(resume, retryDelay(this.failures, wait || this.retry) * 1000));
    }
  }

  async #listen(stopped) {
    const connection = new AbortController();
    const hangUp = () => connection.abort();
    stopped.addEventListener("abort", hangUp, { once: true });
    let watch = setTimeout(hangUp, SILENCE_SECONDS_MAX * 1000);
    try {
      const more = { Accept: "text/event-stream" };
      if (this.lastId) more["Last-Event-ID"] = this.lastId;
      const answer = await fetch("/v1/me/events", { headers: this.gateway.headers(more), signal: connection.signal, cache: "no-store" });
      if (!answer.ok) this.#refuse(answer);
      const parser = new EventParser();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        clearTimeout(watch);
        watch = setTimeout(hangUp, SILENCE_SECONDS_MAX * 1000);
        this.failures = 0;
        parser.feed(piece.value).forEach((event) => this.#tell(event));
      }
    } finally {
      clearTimeout(watch);
      stopped.removeEventListener("abort", hangUp);
      connection.abort();
    }
  }

  #refuse(answer) {
    if (answer.status === 401 || answer.status === 403) {
      this.close();
      this.onRefused();
    }
    throw Object.assign(new Error("refused"), { retryAfter: Number(answer.headers.get("Retry-After")) || 0 });
  }

  #tell({ id, event, data, retry }) {
    if (id !== undefined) this.lastId = id;
    if (retry) this.retry = retry;
    if (data) this.onEvent(event, data);
  }
}
