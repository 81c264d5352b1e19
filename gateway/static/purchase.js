// What the shopper does: sign in, join, enter, buy, pay, give up. An answer that did not come is never taken for a
// no: the same key is sent again, across reloads too, until the gateway has said yes or no.

import { retryDelay } from "./line.js";
import { newKey } from "./memory.js";
import { sleep } from "./shop.js";

const ADMISSIONS_MAX = 3; // renewals during one purchase: an admission that is refused thrice will not be taken

export class Purchase {
  #entering = false;
  #buying = false;
  #checking = false;
  #enterAfter = 0;

  constructor(shop, { onNews }) {
    Object.assign(this, { shop, onNews });
  }

  async signIn(userId, phone) {
    await this.#once(async () => {
      const body = phone ? { user_id: userId, phone } : { user_id: userId };
      const { content } = await this.shop.gateway.ask("/v1/local/sign-in", { method: "POST", body, public: true });
      this.shop.takeToken(content.token);
      await this.refreshMine();
      if (this.shop.stage === "door") await this.#takeTicket();
    });
  }

  /** Asks who is there first: where the local issuer is absent, the token must come from the app. */
  async join() {
    if (this.shop.user) return this.#once(() => this.#takeTicket());
    return this.#once(async () => {
      const probe = await fetch("/v1/local/sign-in", { method: "OPTIONS" }).catch(() => null);
      this.shop.change({ signIn: probe?.status === 404 ? "app" : "form", note: null });
    });
  }

  async #takeTicket() {
    const { content } = await this.shop.gateway.ask(this.shop.path("/tickets"), { method: "POST" });
    this.shop.memory.put({ ticket: content.ticket, position: content.position });
    this.shop.change();
    this.shop.lookNow();
  }

  /** One's turn: fetches the admission; called again and again by the watch, asks only when it makes sense. */
  async enter() {
    if (this.#entering || Date.now() < this.#enterAfter || document.hidden) return;
    this.#entering = true;
    try {
      await this.#takeAdmission();
    } catch (problem) {
      this.#enterAfter = Date.now() + retryDelay(2, problem.retryAfter) * 1000;
      if (problem.code === "ticket_invalid") return await this.#takeTicket().catch((again) => this.#explain(again));
      this.#explain(problem, { isQuiet: problem.code === "not_your_turn" });
    } finally {
      this.#entering = false;
    }
  }

  async #takeAdmission() {
    const body = { ticket: this.shop.memory.facts.ticket };
    const { content } = await this.shop.gateway.ask(this.shop.path("/admissions"), { method: "POST", body });
    this.shop.memory.put({ admission: { token: content.admission, expires_at: content.expires_at } });
    this.shop.change({ trouble: null });
  }

  buy(sku, quantity) {
    this.shop.memory.put({ intent: { key: newKey(), sku, quantity, unknown: false } });
    this.shop.change({ note: null });
    return this.settleIntent();
  }

  /** Carries the purchase under way to its end; also after a reload. */
  async settleIntent() {
    if (this.#buying || !this.shop.memory.facts.intent) return;
    this.#buying = true;
    const { memory } = this.shop;
    try {
      for (let attempt = 1, renewals = 0; memory === this.shop.memory && memory.facts.intent; ) {
        try {
          return this.#bought(await this.#reserve());
        } catch (problem) {
          if (!("status" in problem)) throw problem;
          if ([401, 403].includes(problem.status) && renewals < ADMISSIONS_MAX) {
            renewals += 1;
            memory.put({ admission: null });
          } else if (problem.passes || problem.code === "in_progress") {
            memory.put({ intent: { ...memory.facts.intent, unknown: true } });
            this.shop.fail(problem);
            await sleep(retryDelay(attempt, problem.retryAfter));
            attempt += 1;
          } else return await this.#notBought(problem);
        }
      }
    } finally {
      this.#buying = false;
    }
  }

  async #reserve() {
    if (!this.shop.facts().admission) await this.#takeAdmission();
    const { admission, intent } = this.shop.memory.facts;
    const { content } = await this.shop.gateway.ask(this.shop.path("/reservations"), {
      method: "POST",
      body: { sku: intent.sku, quantity: intent.quantity },
      headers: { Authorization: `Bearer ${admission.token}`, "Idempotency-Key": intent.key },
    });
    return content;
  }

  #bought(reservation) {
    const { intent } = this.shop.memory.facts;
    this.shop.memory.put({ intent: null, bought: true, paying: null });
    this.#learn({ sku: intent.sku, quantity: intent.quantity, held_at: new Date(this.shop.clock.now()).toISOString(), ...reservation });
    this.shop.change({ again: false, trouble: null, note: null });
    this.onNews();
  }

  async #notBought(problem) {
    const { intent } = this.shop.memory.facts;
    this.shop.memory.put({ intent: null });
    this.#explain(problem);
    if (intent.unknown) await this.refreshMine(); // an earlier try may have been the one that got it
  }

  async pay(reservation) {
    await this.#once(async () => {
      const path = `/v1/reservations/${reservation.reservation_id}/payment`;
      try {
        const { content } = await this.shop.gateway.ask(path, { method: "POST" });
        const url = new URL(content.pay_url, location.href);
        if (!["https:", "http:"].includes(url.protocol)) throw new TypeError("pay_url");
        url.searchParams.set("return", `/?sale=${encodeURIComponent(this.shop.sale.sale_id)}`);
        this.shop.memory.put({ paying: reservation.reservation_id });
        location.assign(url);
      } catch (problem) {
        if (problem.status === 409 || problem.status === 410) await this.refreshMine();
        throw problem;
      }
    });
  }

  async release(reservation) {
    await this.#once(async () => {
      const { content } = await this.shop.gateway.ask(`/v1/reservations/${reservation.reservation_id}`, { method: "DELETE" });
      this.#learn({ ...reservation, ...content });
      this.shop.change({ note: "released" });
    });
  }

  #learn(reservation) {
    const others = this.shop.reservations.filter((one) => one.reservation_id !== reservation.reservation_id);
    this.shop.change({ reservations: [reservation, ...others] });
  }

  /** The shopper's own rows in this sale, from the primary. */
  async refreshMine() {
    const { memory, sale } = this.shop;
    if (!this.shop.user || !sale || this.#checking) return;
    this.#checking = true;
    try {
      const [reservations, rewards] = await Promise.all(
        ["reservations", "rewards"].map((what) => this.shop.gateway.ask(`/v1/me/${what}`).then(({ content }) => content[what])),
      );
      if (memory !== this.shop.memory) return;
      const mine = (rows) => rows.filter((row) => row.sale_id === sale.sale_id);
      this.shop.change({ reservations: mine(reservations), rewards: mine(rewards), trouble: null });
      if (this.shop.reservations.length) memory.put({ bought: true });
    } catch (problem) {
      this.#explain(problem);
    } finally {
      this.#checking = false;
    }
  }

  signedOut() {
    this.shop.takeToken(null);
    this.shop.change({ signIn: "form", note: "signInAgain" });
  }

  async #once(action) {
    if (this.shop.working) return;
    this.shop.change({ working: true, note: null });
    try {
      await action();
    } catch (problem) {
      this.#explain(problem);
    } finally {
      this.shop.change({ working: false });
    }
  }

  #explain(problem, { isQuiet = false } = {}) {
    if (!("status" in problem)) throw problem;
    if (problem.passes) return this.shop.fail(problem);
    if (problem.status === 401) return this.signedOut();
    if (isQuiet) return undefined;
    const known = { sold_out: "soldOutItem", limit_reached: "limitItem", sale_not_open: "notOpen", not_your_turn: "notOpen" };
    const note = known[problem.code] ?? { detail: problem.detail || problem.title || problem.code };
    this.shop.change({ note });
    this.shop.lookNow();
    return undefined;
  }
}
