// The one number of each stage, between the leaves of the gate: time to the opening, the place in line, time to pay.

import { count, countdown, roughly } from "./format.js";
import { etaSeconds, peopleAhead, progress } from "./line.js";
import { $, put, show } from "./paint.js";
import { say } from "./texts.js";

export class Figure {
  spoken = "";

  constructor(shop) {
    this.shop = shop;
  }

  paint(stage, lead, language) {
    const shown = this.#figure(stage, lead, language);
    show($("figure"), shown !== null);
    document.body.dataset.gate = gateOf(stage, this.shop.room);
    if (!shown) return;
    put($("figure-label"), shown.label);
    put($("figure-number"), shown.number);
    put($("figure-unit"), shown.unit ?? "");
    put($("figure-note"), shown.note ?? "");
    $("figure").dataset.size = shown.number.length > 8 ? "long" : "";
    const channel = $("channel");
    show(channel, shown.fill !== undefined);
    if (shown.fill !== undefined) channel.value = shown.fill;
  }

  #figure(stage, lead, language) {
    const { sale, clock } = this.shop;
    if (!sale) return null;
    if (stage === "waiting") return this.#place(language);
    if (stage === "held" || stage === "paying") {
      const seconds = clock.until(lead.expires_at);
      const span = Date.parse(lead.expires_at) - Date.parse(lead.held_at);
      return { label: say(language, "toPay"), number: countdown(seconds, language), fill: (seconds * 1000) / span };
    }
    const toOpening = clock.until(sale.opens_at);
    const toClosing = clock.until(sale.closes_at);
    if (toOpening > 0) return { label: say(language, "toOpening"), number: countdown(toOpening, language) };
    const isLive = ["door", "turn", "turn_again", "sold_out", "sign_in"].includes(stage);
    if (isLive && toClosing > 0) return { label: say(language, "toClosing"), number: countdown(toClosing, language) };
    return null;
  }

  #place(language) {
    const { sale, clock, room, memory } = this.shop;
    const { position } = memory.facts;
    const toOpening = clock.until(sale.opens_at);
    const ahead = peopleAhead(position, room.frontier);
    if (toOpening > 0) {
      const place = `${say(language, "yourNumber")} ${count(position + 1, language)}`;
      this.spoken = place;
      return { label: say(language, "toOpening"), number: countdown(toOpening, language), note: place };
    }
    const eta = etaSeconds(position, room, toOpening);
    const note = eta === null ? say(language, "etaUnknown") : say(language, "eta", { eta: roughly(eta, language) });
    this.spoken = ahead ? `${say(language, "announceAhead", { n: count(ahead, language) })} ${note}` : say(language, "next");
    const place = { label: say(language, "ahead"), number: count(ahead, language), unit: say(language, "aheadUnit") };
    return { ...place, note: ahead ? note : say(language, "next"), fill: progress(position, room.frontier) };
  }
}

function gateOf(stage, room) {
  if (["admitting", "turn", "turn_again", "buying", "held", "paying", "confirmed", "lapsing"].includes(stage)) return "open";
  return room && room.state === "open" && !room.paused ? "ajar" : "closed";
}
