// Paints the state. Only what has changed is touched, so focus, scrolling and screen readers stay where they are.

import { paintFigure } from "./figure.js";
import { moment, money } from "./format.js";
import { choice, forgetLists, paintLists, promisedRewards, windowOf } from "./lists.js";
import { $, post, put, show } from "./paint.js";
import { leadingReservation } from "./stage.js";
import { localTexts, say, tell } from "./texts.js";

const ANNOUNCE_SECONDS = 30; // how often a moving place is read out; a change of stage is at once

// What the shopper would want next, and the other thing.
const DOCK = {
  door: ["join"],
  sign_in: ["signIn"],
  turn: ["buy"],
  turn_again: ["buy"],
  held: ["pay", "release"],
  paying: ["payBack", "release"],
  confirmed: ["again"],
};

export class View {
  #spoken = "";
  #spokenAt = 0;

  constructor(shop) {
    this.shop = shop;
  }

  speak(language) {
    this.language = language;
    document.documentElement.lang = language;
    for (const element of document.querySelectorAll("[data-say]")) put(element, this.say(element.dataset.say));
    forgetLists();
    this.paint();
  }

  say(name, values) {
    return say(this.language, name, values);
  }

  paint() {
    const { shop, language } = this;
    const { stage } = shop;
    const lead = leadingReservation(shop.reservations);
    const focused = document.activeElement;
    const opens = shop.sale && moment(shop.sale.opens_at, language);
    const [headline, sentence] = tell(language, this.#words(stage), { opens });
    if (document.body.dataset.stage !== stage) scrollTo(0, 0);
    document.body.dataset.stage = stage;
    put($("headline"), headline);
    put($("sentence"), sentence);
    this.#paintFrame(stage, headline);
    paintFigure(shop, stage, lead, language);
    paintLists(shop, stage, lead, language);
    this.#paintDock(stage, lead);
    this.#announce(stage, [headline, sentence]);
    // What was focused has gone with its stage: the new headline is where the story goes on.
    if (focused !== document.body && !focused.offsetParent) $("headline").focus({ preventScroll: true });
  }

  /** Some stages say more than one thing. */
  #words(stage) {
    const { room, rewards, sale } = this.shop;
    if (stage === "confirmed" && rewards.length && rewards.every((one) => one.state === "paid")) return "rewarded";
    if (stage === "confirmed" && !rewards.length && !promisedRewards(sale).length) return "bought";
    if (stage !== "waiting" || room.state === "open") return stage;
    return room.state === "paused" ? "waitingPaused" : "waitingBefore";
  }

  #paintFrame(stage, headline) {
    const { shop } = this;
    const { title, subtitle } = localTexts(shop.sale?.texts, this.language);
    const name = title || this.say("brand");
    put($("title"), name);
    post("lead", subtitle);
    post("window", shop.sale && windowOf(shop.sale, this.language));
    post("who", shop.user);
    show($("sign-out"), shop.user);
    show($("sign-in"), stage === "sign_in");
    show($("others"), shop.sale || shop.missing);
    const trouble = shop.trouble ?? (shop.room?.stale && "stale");
    post("banner", trouble && this.say(trouble));
    post("note", shop.note?.detail ?? (shop.note && this.say(shop.note)));
    const isCalled = ["admitting", "turn", "turn_again"].includes(stage);
    const tab = isCalled ? `🔔 ${headline} · ${name}` : name;
    if (document.title !== tab) document.title = tab;
  }

  #paintDock(stage, lead) {
    const { shop } = this;
    const acts = stage === "confirmed" && !shop.mayBuyAgain ? [] : DOCK[stage] ?? [];
    const amount = lead && money(lead.amount_minor, lead.currency, this.language);
    for (const [at, id] of ["primary", "secondary"].entries()) {
      const act = acts[at] === "release" && shop.isReleaseAsked ? "releaseSure" : acts[at];
      post(id, act && this.say(act, { amount }));
      $(id).dataset.act = act ?? "";
      $(id).disabled = shop.isWorking || (act === "buy" && !choice());
    }
    show($("dock"), acts.length);
  }

  #announce(stage, sentences) {
    const spoken = [...sentences, $("note").textContent, $("banner").textContent].filter(Boolean).join(" ");
    const isMoving = stage === "waiting" && Date.now() - this.#spokenAt > ANNOUNCE_SECONDS * 1000;
    if (spoken === this.#spoken && !isMoving) return;
    const figure = ["label", "number", "unit", "note"].map((part) => $(`figure-${part}`).textContent).join(" ");
    put($("live"), spoken === this.#spoken ? figure : spoken);
    this.#spoken = spoken;
    this.#spokenAt = Date.now();
  }
}
