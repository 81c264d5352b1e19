// Paints the state. Elements stand in the page from the start; a text is touched only where it has changed, so focus,
// scrolling and screen readers stay where they are.

import { money } from "./format.js";
import { Figure } from "./figure.js";
import { Lists } from "./lists.js";
import { leadingReservation } from "./stage.js";
import { localTexts, say } from "./texts.js";
import { $, put, show } from "./paint.js";

const ANNOUNCE_SECONDS = 30; // how often a moving place is read out; a change of stage is read out at once

export class View {
  constructor(shop) {
    this.shop = shop;
    this.figure = new Figure(shop);
    this.lists = new Lists(shop);
    this.stage = null;
    this.spokenAt = 0;
  }

  speak(language) {
    this.language = language;
    document.documentElement.lang = language;
    for (const element of document.querySelectorAll("[data-say]")) put(element, this.say(element.dataset.say));
    this.lists.forget();
    this.stage = null;
    this.paint();
  }

  say(name, values) {
    return say(this.language, name, values);
  }

  paint() {
    const { shop } = this;
    const stage = shop.stage;
    const lead = leadingReservation(shop.reservations);
    const [headline, sentence] = this.#sentences(stage);
    const hadFocus = document.activeElement;
    document.body.dataset.stage = stage;
    put($("headline"), headline);
    put($("sentence"), sentence);
    this.#paintFrame(stage);
    this.figure.paint(stage, lead, this.language);
    this.lists.paint(stage, lead, this.language);
    this.#paintDock(stage, lead);
    this.#announce(stage, headline, sentence);
    // What was focused has gone with its stage: the new headline is where the story goes on.
    if (hadFocus && hadFocus !== document.body && !hadFocus.checkVisibility()) $("headline").focus({ preventScroll: true });
  }

  #sentences(stage) {
    const { shop } = this;
    if (stage === "sign_in") return [this.say("signInHead"), this.say("signInSay")];
    if (stage === "sign_in_app") return this.say("signInApp");
    if (stage === "confirmed") return this.say(this.#rewardStage());
    if (stage === "door" && shop.room.state !== "prequeue") return this.say(shop.room.paused ? "waitingPaused" : "doorOpen");
    if (stage === "waiting" && (shop.room.paused || shop.room.state === "paused")) return this.say("waitingPaused");
    if (stage === "waiting" && shop.room.state !== "open") return this.say("waitingBefore");
    const opens = shop.sale ? this.lists.moment(shop.sale.opens_at) : "";
    return this.say(stage, { opens });
  }

  #rewardStage() {
    const { rewards, sale } = this.shop;
    if (rewards.length) return rewards.every((one) => one.state === "paid") ? "rewarded" : "confirmed";
    return this.lists.promisedRewards(sale).length ? "confirmed" : "bought";
  }

  #paintFrame(stage) {
    const { shop } = this;
    const texts = localTexts(shop.sale?.texts, this.language);
    put($("title"), shop.sale ? texts.title ?? texts.name ?? shop.sale.sale_id : this.say("brand"));
    put($("lead"), texts.subtitle ?? texts.lead ?? texts.description ?? "");
    put($("window"), shop.sale ? this.lists.window(shop.sale) : "");
    put($("who"), shop.user ?? "");
    show($("sign-out"), Boolean(shop.user));
    show($("sign-in"), stage === "sign_in");
    show($("others"), Boolean(shop.sale) || shop.missing);
    const trouble = shop.trouble ?? (shop.room?.stale ? "stale" : null);
    put($("banner"), trouble ? this.say(trouble) : "");
    show($("banner"), Boolean(trouble));
    put($("note"), this.#note());
    show($("note"), Boolean(shop.note));
  }

  #note() {
    const { note } = this.shop;
    if (!note) return "";
    return typeof note === "string" ? this.say(note) : this.say("failed", note);
  }

  #paintDock(stage, lead) {
    const { shop } = this;
    const main = $("primary");
    const side = $("secondary");
    const act = DOCK[stage]?.(shop, lead) ?? [null, null];
    const amount = lead ? money(lead.amount_minor ?? 0, lead.currency ?? shop.sale.currency, this.language) : "";
    for (const [button, name] of [[main, act[0]], [side, act[1]]]) {
      put(button, name ? this.say(name, { amount }) : "");
      show(button, Boolean(name));
      if (button.dataset.act !== (name ?? "")) button.dataset.act = name ?? "";
      button.disabled = shop.working || name === "buy" && !this.lists.choice(shop);
    }
    main.setAttribute("aria-busy", String(shop.working));
    show($("dock"), Boolean(act[0] || act[1]));
  }

  #announce(stage, headline, sentence) {
    const isNew = stage !== this.stage;
    this.stage = stage;
    const spoken = [headline, sentence, this.#note(), $("banner").textContent].filter(Boolean).join(" ");
    const title = localTexts(this.shop.sale?.texts, this.language).title ?? this.say("brand");
    const call = stage === "turn" || stage === "admitting" ? `🔔 ${this.say("turnTitle")} · ` : "";
    if (document.title !== call + title) document.title = call + title;
    if (isNew || this.spoken !== spoken) {
      this.spoken = spoken;
      this.spokenAt = Date.now();
      put($("live"), spoken);
    } else if (stage === "waiting" && Date.now() - this.spokenAt > ANNOUNCE_SECONDS * 1000) {
      this.spokenAt = Date.now();
      put($("live"), this.figure.spoken);
    }
  }
}

// The buttons of each stage: what the shopper would want next, and the other thing.
const DOCK = {
  door: () => ["join", null],
  sign_in: () => ["signIn", null],
  turn: () => ["buy", null],
  turn_again: () => ["buy", null],
  held: (shop) => ["pay", shop.releaseAsked ? "releaseSure" : "release"],
  paying: () => ["payBack", null],
  confirmed: (shop) => [shop.mayBuyAgain ? "again" : null, null],
};
