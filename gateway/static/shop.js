// The state of the page and what keeps it true: which sale, who is signed in, the watch on the public queue document.
// A waiting shopper asks for that document only; nothing here reads the shop's database while one waits in line.

import { pollDelay, retryDelay } from "./line.js";
import { SaleMemory, keep, recall, userOf } from "./memory.js";
import { stageOf } from "./stage.js";

const POLL_SECONDS = 2; // until the first document has said its own pace

export class Shop {
  constructor(gateway, clock, onChange) {
    Object.assign(this, { gateway, clock, onChange });
    this.token = recall("token");
    this.user = this.token ? userOf(this.token) : null;
    this.sales = null;
    this.#clearSale();
  }

  #clearSale() {
    Object.assign(this, {
      sale: null, room: null, missing: false, reservations: [], rewards: [], memory: new SaleMemory("", ""),
      trouble: null, note: null, signIn: null, working: false, again: false, watch: (this.watch ?? 0) + 1, etag: null,
    });
  }

  /** Everything `stageOf` wants, as of now. */
  facts() {
    const { ticket, position, admission, intent, paying } = this.memory.facts;
    const hold = this.reservations.find((one) => one.state === "held");
    const isAdmitted = admission && this.clock.until(admission.expires_at) > 1;
    return {
      sale: this.sale, room: this.room, ticket, position, intent, again: this.again, reservations: this.reservations,
      admission: isAdmitted ? admission : null,
      paying: hold !== undefined && paying === hold.reservation_id,
      holdSeconds: hold ? this.clock.until(hold.expires_at) : 0,
    };
  }

  get stage() {
    if (this.missing) return "unknown";
    if (this.signIn && !this.user) return this.signIn === "app" ? "sign_in_app" : "sign_in";
    if (!this.sale && this.sales) return this.sales.length ? "pick" : "none";
    return stageOf(this.facts());
  }

  change(changes = {}) {
    Object.assign(this, changes);
    this.onChange();
  }

  /** Opens the sale `saleId`, or lists the sales; where there is but one, opens it. */
  async open(saleId) {
    this.#clearSale();
    const { watch } = this;
    this.change();
    for (let attempt = 1; watch === this.watch; attempt += 1) {
      try {
        return saleId ? await this.#openSale(saleId) : await this.#listSales();
      } catch (problem) {
        if (!("status" in problem)) throw problem;
        if (problem.status === 404 || problem.status === 422) return this.change({ missing: true });
        this.fail(problem);
        await sleep(retryDelay(attempt, problem.retryAfter));
      }
    }
    return undefined;
  }

  async #listSales() {
    const { content } = await this.gateway.ask("/v1/sales", { public: true });
    this.sales = content.sales;
    if (this.sales.length === 1) return this.open(this.sales[0].sale_id);
    return this.change({ trouble: null });
  }

  async #openSale(saleId) {
    const { content } = await this.gateway.ask(salePath(saleId), { public: true });
    this.sale = content;
    this.recallSale();
    this.change({ trouble: null });
    this.#keepWatching(this.watch);
    return undefined;
  }

  /** Takes up what this user had going on in this sale. */
  recallSale() {
    this.memory = new SaleMemory(this.sale?.sale_id ?? "", this.user ?? "");
  }

  takeToken(token) {
    keep("token", token);
    Object.assign(this, { token, user: token ? userOf(token) : null, reservations: [], rewards: [], signIn: null });
    this.recallSale();
    this.change();
  }

  path(rest = "") {
    return salePath(this.sale.sale_id) + rest;
  }

  fail(problem) {
    this.change({ trouble: problem.status === 0 ? "offline" : "busy" });
  }

  async #keepWatching(watch) {
    for (let failures = 0; watch === this.watch; ) {
      let seconds;
      try {
        await this.#lookAtRoom(watch);
        failures = 0;
        seconds = pollDelay(this.room?.next_poll_seconds ?? POLL_SECONDS, document.hidden || this.#isSettled());
      } catch (problem) {
        if (!("status" in problem)) throw problem;
        failures += 1;
        if (watch === this.watch) this.fail(problem);
        seconds = retryDelay(failures, problem.retryAfter);
      }
      await this.#pause(seconds);
    }
  }

  async #lookAtRoom(watch) {
    const headers = this.etag ? { "If-None-Match": this.etag } : {};
    const answer = await this.gateway.ask(this.path("/queue"), { public: true, headers });
    if (watch !== this.watch) return;
    if (answer.content) {
      this.room = answer.content;
      this.etag = answer.headers.get("ETag");
      this.clock.learn(answer.content.server_time, Number(answer.headers.get("Age")) || 0);
    }
    this.change({ trouble: null });
  }

  /** Whether the queue no longer matters to this shopper, so that looking seldom is enough. */
  #isSettled() {
    return ["held", "paying", "confirmed", "ended", "limit"].includes(this.stage);
  }

  #pause(seconds) {
    return new Promise((resume) => {
      const timer = setTimeout(resume, seconds * 1000);
      this.lookNow = () => {
        clearTimeout(timer);
        resume();
      };
    });
  }

  lookNow() {}
}

export function salePath(saleId) {
  return `/v1/sales/${encodeURIComponent(saleId)}`;
}

export function sleep(seconds) {
  return new Promise((resume) => setTimeout(resume, seconds * 1000));
}
