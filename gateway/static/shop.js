// The state of the page and the watch on the public queue document. While one waits in line that document is all that
// is asked for: a waiting shopper costs no read of a database.

import { expected } from "./api.js";
import { pollDelay, retryDelay } from "./line.js";
import { SaleMemory, claimsOf, keep, recall } from "./memory.js";
import { stageOf } from "./stage.js";

// Here the queue matters little.
const SETTLED = ["held", "paying", "confirmed", "ended", "limit"];
const ADMISSION_SECONDS_MIN = 2; // with less left it would not survive the way to the gateway

export class Shop {
  #watch = 0;
  #etag = null;

  constructor(gateway, clock, onChange) {
    Object.assign(this, { gateway, clock, onChange, isWorking: false });
    this.#identify(recall("token"));
    this.#leaveSale();
  }

  #identify(token) {
    const { sub, phone_number: phone } = claimsOf(token);
    Object.assign(this, { token, user: sub, phone });
  }

  #leaveSale() {
    this.#watch += 1;
    this.#etag = null;
    Object.assign(this, { sales: null, sale: null, room: null, missing: false, trouble: null, note: null, signIn: null });
    this.recallSale();
  }

  /** Takes up what this user had going on in this sale. */
  recallSale() {
    this.memory = new SaleMemory(this.sale?.sale_id, this.user);
    Object.assign(this, { reservations: [], rewards: [], again: false });
  }

  /** Everything `stageOf` wants, as of now. */
  facts() {
    const { ticket, position, admission, intent, paying } = this.memory.facts;
    const hold = this.reservations.find((one) => one.state === "held");
    const isAdmitted = admission && this.clock.until(admission.expires_at) > ADMISSION_SECONDS_MIN;
    return {
      ...this, ticket, position, intent, admission: isAdmitted ? admission : null,
      paying: hold && paying === hold.reservation_id, holdSeconds: hold && this.clock.until(hold.expires_at),
    };
  }

  get stage() {
    if (this.missing) return "unknown";
    if (this.signIn && !this.user) return this.signIn;
    if (!this.sale && this.sales) return this.sales.length ? "pick" : "no_sale";
    return stageOf(this.facts());
  }

  change(changes = {}) {
    Object.assign(this, changes);
    this.onChange();
  }

  fail(problem) {
    this.change({ trouble: problem.status === 0 ? "offline" : "busy" });
  }

  takeToken(token) {
    keep("token", token);
    this.#identify(token);
    this.recallSale();
    this.change({ signIn: null, note: null });
  }

  path(rest = "") {
    return `/v1/sales/${encodeURIComponent(this.sale.sale_id)}${rest}`;
  }

  /** Opens a sale, or lists them; a single one is opened at once. Tries until it has an answer. */
  async open(saleId) {
    this.#leaveSale();
    this.change();
    const watch = this.#watch;
    for (let attempt = 1; watch === this.#watch; attempt += 1) {
      try {
        const { content } = await this.gateway.open(saleId ? `/v1/sales/${encodeURIComponent(saleId)}` : "/v1/sales");
        if (watch === this.#watch) this.#opened(saleId ? content : null, content.sales);
        return;
      } catch (problem) {
        if (!expected(problem).passes) return this.change({ missing: true });
        this.fail(problem);
        await sleep(retryDelay(attempt, problem.retryAfter));
      }
    }
  }

  #opened(sale, sales) {
    this.sales = sales ?? null;
    this.sale = sale ?? (sales.length === 1 ? sales[0] : null);
    this.recallSale();
    this.change({ trouble: null });
    if (this.sale) this.#keepWatching(this.#watch);
  }

  async #keepWatching(watch) {
    for (let failures = 0; watch === this.#watch; ) {
      let seconds;
      try {
        const answer = await this.gateway.open(this.path("/queue"), this.#etag);
        if (watch !== this.#watch) return;
        this.#learn(answer);
        failures = 0;
        seconds = pollDelay(this.room.next_poll_seconds, document.hidden || SETTLED.includes(this.stage));
      } catch (problem) {
        this.fail(expected(problem));
        seconds = retryDelay((failures += 1), problem.retryAfter);
      }
      await this.#pause(seconds);
    }
  }

  #learn({ content, headers }) {
    if (content) {
      this.room = content;
      this.#etag = headers.get("ETag");
      this.clock.learn(content.server_time, Number(headers.get("Age")));
    }
    // A purchase under way has a trouble of its own.
    this.change(this.memory.facts.intent ? {} : { trouble: null });
  }

  #pause(seconds) {
    return new Promise((resume) => {
      setTimeout(resume, seconds * 1000);
      this.lookNow = resume;
    });
  }

  lookNow() {}
}

export function sleep(seconds) {
  return new Promise((resume) => setTimeout(resume, seconds * 1000));
}
