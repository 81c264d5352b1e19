// Where the shopper stands: one stage, from facts alone. The page shows one sentence and one next step for each.

import { mayEnter } from "./line.js";

const LEFT = new Set(["released", "expired"]);

/** The reservation that matters most: a hold that runs, then the newest confirmed one, then the newest of all. */
export function leadingReservation(reservations) {
  const newestFirst = [...reservations].sort((a, b) => Date.parse(b.held_at) - Date.parse(a.held_at));
  return (
    newestFirst.find((one) => one.state === "held") ??
    newestFirst.find((one) => one.state === "confirmed") ??
    newestFirst[0] ??
    null
  );
}

/** Units of `sku` that this shopper may still take. */
export function unitsLeft(item, reservations) {
  const taken = reservations
    .filter((one) => one.sku === item.sku && !LEFT.has(one.state))
    .reduce((sum, one) => sum + (one.quantity ?? 1), 0);
  return Math.max(0, (item.per_user_limit ?? 1) - taken);
}

/**
 * facts: sale, room (queue document or null), ticket, position, admission, intent (purchase under way), reservations,
 * paying (the provider's page was opened for the leading hold), again (wants another after a confirmed one),
 * holdSeconds (left of the leading hold).
 */
export function stageOf(facts) {
  const { sale, room, reservations } = facts;
  if (!sale) return "loading";
  const leading = leadingReservation(reservations);
  if (leading?.state === "held") return facts.holdSeconds <= 0 ? "lapsing" : facts.paying ? "paying" : "held";
  if (facts.intent) return "buying";
  if (leading?.state === "confirmed" && !facts.again) return "confirmed";
  if (!room) return "loading";
  return lineStage(facts, leading);
}

function lineStage({ sale, room, position, ticket, admission, reservations }, leading) {
  if (room.state === "ended") return "ended";
  if (room.state === "sold_out") return "sold_out";
  if (room.state === "scheduled") return ticket ? "waiting" : "scheduled";
  if (sale.items.every((item) => unitsLeft(item, reservations) === 0)) return "limit";
  if (!ticket) return "door";
  if (room.state === "prequeue" || !mayEnter(position, room.frontier)) return "waiting";
  if (!admission) return "admitting";
  return leading && LEFT.has(leading.state) ? "turn_again" : "turn";
}
