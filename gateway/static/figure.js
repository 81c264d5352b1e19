// The one number of each stage, between the leaves of the gate.

import { count, countdown, roughly } from "./format.js";
import { etaSeconds, peopleAhead } from "./line.js";
import { $, post, show } from "./paint.js";
import { say } from "./texts.js";

const OPEN = ["admitting", "turn", "turn_again", "buying", "held", "paying", "confirmed", "lapsing"];
const COUNTING_DOWN = ["door", "sign_in", "turn", "turn_again", "sold_out"];

export function paintFigure(shop, stage, lead, language) {
  document.body.dataset.gate = OPEN.includes(stage) ? "open" : shop.room?.state === "open" ? "ajar" : "closed";
  const shown = shop.sale && figureOf(shop, stage, lead, language);
  show($("figure"), shown);
  if (!shown) return;
  for (const part of ["label", "number", "unit", "note"]) post(`figure-${part}`, shown[part]);
  $("figure").dataset.size = shown.number.length > 8 ? "long" : "";
  show($("channel"), shown.fill !== undefined);
  $("channel").value = shown.fill ?? 0;
}

function figureOf({ sale, clock, room, memory }, stage, lead, language) {
  const timer = (name, seconds) => ({ label: say(language, name), number: countdown(seconds, language) });
  const toOpening = clock.until(sale.opens_at);
  const toClosing = clock.until(sale.closes_at);
  if (stage === "held" || stage === "paying") {
    const span = Date.parse(lead.expires_at) - Date.parse(lead.held_at);
    const seconds = clock.until(lead.expires_at);
    return { ...timer("toPay", seconds), fill: (seconds * 1000) / span };
  }
  const { position } = memory.facts;
  if (toOpening > 0) {
    const note = stage === "waiting" && `${say(language, "yourNumber")} ${count(position, language)}`;
    return { ...timer("toOpening", toOpening), note };
  }
  if (stage === "waiting") return place(position, room, language);
  return COUNTING_DOWN.includes(stage) && toClosing > 0 ? timer("toClosing", toClosing) : null;
}

function place(position, room, language) {
  const ahead = peopleAhead(position, room);
  const eta = etaSeconds(position, room);
  const note = eta === null ? "" : say(language, "eta", { eta: roughly(eta, language) });
  return {
    label: say(language, "ahead"),
    number: count(ahead, language),
    unit: say(language, "aheadUnit"),
    note: ahead ? note : say(language, "next"),
    fill: room.frontier / (position + 1),
  };
}
