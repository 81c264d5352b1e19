// Where the shopper stands: one stage, from facts alone.

import { mayEnter } from "./line.js";

const LEFT = new Set(["released", "expired"]);

/** The reservation that matters most: a hold, then what is confirmed, then the newest. */
export function leadingReservation(reservations) {
  const newest = [...reservations].sort((a, b) => Date.parse(b.held_at) - Date.parse(a.held_at));
  return newest.find((one) => one.state === "held") ?? newest.find((one) => one.state === "confirmed") ?? newest[0] ?? null;
}

/** Units of an item that this shopper may still take. */
export function unitsLeft(item, reservations) {
  const own = reservations.filter((one) => one.sku === item.sku && !LEFT.has(one.state));
  return Math.max(0, item.per_user_limit - own.reduce((sum, one) => sum + one.quantity, 0));
}

/** Of the facts: `intent` is a purchase under way, `paying` that the provider's page was opened for the hold. */
export function stageOf(facts) {
  const { sale, room, reservations } = facts;
  if (!sale) return "loading";
  const lead = leadingReservation(reservations);
  if (lead?.state === "held") return facts.holdSeconds <= 0 ? "lapsing" : facts.paying ? "paying" : "held";
  if (facts.intent) return "buying";
  if (lead?.state === "confirmed" && !facts.again) return "confirmed";
  return room ? lineStage(facts, lead) : "loading";
}

function lineStage({ sale, room, position, ticket, admission, reservations }, lead) {
  if (["ended", "sold_out"].includes(room.state)) return room.state;
  if (room.state === "scheduled") return ticket ? "waiting" : "scheduled";
  if (sale.items.every((item) => unitsLeft(item, reservations) === 0)) return "limit";
  if (!ticket) return "door";
  if (room.state === "prequeue" || !mayEnter(position, room)) return "waiting";
  if (!admission) return "admitting";
  return lead && LEFT.has(lead.state) ? "turn_again" : "turn";
}
