// What the shopper does: sign in, join, enter, buy, pay, give up. An answer that did not come is never taken for a
// no: the same key is sent again, across reloads too, until the gateway has said yes or no.

import { Problem, expected } from "./api.js";
import { retryDelay } from "./line.js";
import { newKey } from "./memory.js";
import { sleep } from "./shop.js";

const RENEWALS_MAX = 3; // an admission refused so often will not be taken at all

export class Purchase {
  #isEntering = false;
  #enterAfter = 0;
  #isBuying = false;

  constructor(shop, onHeld) {
    Object.assign(this, { shop, gateway: shop.gateway, onHeld });
  }

  signIn(userId, phone) {
    return this.#once(async () => {
      const body = { user_id: userId, ...(phone && { phone }) };
      const { content } = await this.gateway.own("/v1/local/sign-in", "POST", body);
      this.shop.takeToken(content.token);
      await this.refreshMine();
      if (this.shop.stage === "door") await this.#takeTicket();
    });
  }

  join() {
    return this.#once(() => (this.shop.user ? this.#takeTicket() : this.askWho()));
  }

  /** Without a local issuer the token must come from the app. */
  async askWho(note = null) {
    const probe = await fetch("/v1/local/sign-in", { method: "OPTIONS" }).catch(() => ({}));
    this.shop.change({ signIn: probe.status === 404 ? "sign_in_app" : "sign_in", note });
  }

  signedOut() {
    this.shop.takeToken(null);
    return this.askWho("signInAgain");
  }

  async #takeTicket() {
    const { content } = await this.gateway.own(this.shop.path("/tickets"), "POST");
    this.shop.memory.put({ ticket: content.ticket, position: content.position });
    this.shop.lookNow();
  }

  /** Called at every beat of one's turn; asks only when it makes sense. */
  async enter() {
    if (this.#isEntering || Date.now() < this.#enterAfter || document.hidden) return;
    this.#isEntering = true;
    try {
      await this.#takeAdmission();
    } catch (problem) {
      this.#enterAfter = Date.now() + retryDelay(2, problem.retryAfter) * 1000;
      if (problem.code !== "not_your_turn") this.#explain(problem);
    }
    this.#isEntering = false;
  }

  async #takeAdmission() {
    const { memory } = this.shop;
    const ask = () => this.gateway.own(this.shop.path("/admissions"), "POST", { ticket: memory.facts.ticket });
    const { content } = await ask().catch(async (problem) => {
      if (problem.code !== "ticket_invalid") throw problem;
      await this.#takeTicket(); // its key has been retired; the place is the same
      return ask();
    });
    memory.put({ admission: { token: content.admission, expires_at: content.expires_at } });
    this.shop.change({ trouble: null });
  }

  buy({ sku, quantity }) {
    this.shop.memory.put({ intent: { key: newKey(), sku, quantity, phone: this.shop.phone } });
    this.shop.change({ note: null });
    return this.settleIntent();
  }

  /** Carries the purchase under way to its end; after a reload too. */
  async settleIntent() {
    if (this.#isBuying || !this.shop.memory.facts.intent) return;
    this.#isBuying = true;
    const { memory } = this.shop;
    for (let attempt = 1, renewals = 0; memory === this.shop.memory && memory.facts.intent; ) {
      try {
        this.#bought(await this.#reserve());
      } catch (problem) {
        if ([401, 403].includes(expected(problem).status) && (renewals += 1) <= RENEWALS_MAX) memory.put({ admission: null });
        else if (problem.passes || problem.code === "in_progress") {
          this.shop.fail(problem);
          await sleep(retryDelay((attempt += 1), problem.retryAfter));
        } else await this.#notBought(problem, attempt);
      }
    }
    this.#isBuying = false;
  }

  async #reserve() {
    if (!this.shop.facts().admission) await this.#takeAdmission();
    const { admission, intent } = this.shop.memory.facts;
    const { key, ...wish } = intent;
    const headers = { Authorization: `Bearer ${admission.token}`, "Idempotency-Key": key };
    const { content } = await this.gateway.own(this.shop.path("/reservations"), "POST", wish, headers);
    return content;
  }

  #bought(reservation) {
    this.shop.memory.put({ intent: null, bought: true, paying: null });
    Object.assign(this.shop, { again: false, trouble: null, note: null });
    this.learn(reservation);
    this.onHeld();
  }

  async #notBought(problem, attempt) {
    this.shop.memory.put({ intent: null });
    this.#explain(problem);
    if (attempt > 1) await this.refreshMine(); // an earlier try may have been the one that got it
  }

  pay({ reservation_id: id }) {
    return this.#once(async () => {
      const { content } = await this.gateway.own(`/v1/reservations/${id}/payment`, "POST");
      const url = new URL(content.pay_url);
      if (!["https:", "http:"].includes(url.protocol)) throw new Problem(502);
      url.searchParams.set("lang", this.gateway.language());
      url.searchParams.set("return", `/?sale=${encodeURIComponent(this.shop.sale.sale_id)}`);
      this.shop.memory.put({ paying: id });
      location.assign(url);
    });
  }

  release({ reservation_id: id }) {
    return this.#once(async () => {
      const { content } = await this.gateway.own(`/v1/reservations/${id}`, "DELETE");
      this.shop.note = "released";
      this.learn(content);
    });
  }

  /** A row as an answer or a notice tells it; a snapshot tells all of them. */
  learn(row, kind = "reservations", id = "reservation_id") {
    const others = this.shop[kind].filter((one) => one[id] !== row[id]);
    if (row.sale_id === this.shop.sale.sale_id) this.shop.change({ [kind]: [row, ...others] });
  }

  hear(event, content) {
    if (event === "snapshot") this.#learnAll(content.reservations, content.rewards);
    else if (event === "reward_sent") this.learn(content, "rewards", "grant_id");
    else this.learn(content);
  }

  #learnAll(...answers) {
    const [reservations, rewards] = answers.map((rows) => rows.filter((row) => row.sale_id === this.shop.sale.sale_id));
    if (reservations.length) this.shop.memory.put({ bought: true });
    this.shop.change({ reservations, rewards, trouble: null });
  }

  async refreshMine() {
    const { memory, sale, user } = this.shop;
    if (!user || !sale) return;
    try {
      const read = (what) => this.gateway.own(`/v1/me/${what}`).then(({ content }) => content[what]);
      const answers = await Promise.all([read("reservations"), read("rewards")]);
      if (memory === this.shop.memory) this.#learnAll(...answers);
    } catch (problem) {
      this.#explain(problem);
    }
  }

  async #once(action) {
    if (this.shop.isWorking) return;
    this.shop.change({ isWorking: true, note: null });
    try {
      await action();
    } catch (problem) {
      this.#explain(problem);
      if (problem.status === 409 || problem.status === 410) await this.refreshMine();
    }
    this.shop.change({ isWorking: false });
  }

  #explain(problem) {
    if (expected(problem).passes) this.shop.fail(problem);
    else if (problem.status === 401) this.signedOut();
    else {
      this.shop.change({ note: { detail: problem.detail } });
      this.shop.lookNow();
    }
  }
}
