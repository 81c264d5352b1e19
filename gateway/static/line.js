// The place in line and the pace of asking: pure arithmetic on the public queue document.

/** How many are still before `position`. Positions below the frontier may enter. */
export function peopleAhead(position, frontier) {
  return Math.max(0, position - frontier);
}

export function mayEnter(position, frontier) {
  return position < frontier;
}

/** Seconds until it is one's turn, or null where nobody can say (paused, no rate). */
export function etaSeconds(position, room, secondsToOpening) {
  if (room.paused || room.state === "paused" || !(room.rate_per_second > 0)) return null;
  return Math.max(0, secondsToOpening) + (peopleAhead(position, room.frontier) + 1) / room.rate_per_second;
}

/** From 0 to 1: how much of the line that stood before this ticket has gone in. */
export function progress(position, frontier) {
  return position <= 0 ? 1 : Math.min(1, Math.max(0, frontier / (position + 1)));
}

const HIDDEN_FACTOR = 4; // nobody looks: ask a quarter as often
const HIDDEN_SECONDS_MIN = 15;
const ASK_SECONDS_MAX = 60;

/**
 * Seconds until the next look at the queue. Everybody gets the same `next_poll_seconds`, so each adds up to a third
 * of it: a crowd that loaded the page in the same second must not ask in the same second for ever.
 */
export function pollDelay(nextPollSeconds, hidden, dice = Math.random()) {
  const asked = Math.min(ASK_SECONDS_MAX, Math.max(1, Number(nextPollSeconds) || 2));
  const base = hidden ? Math.max(HIDDEN_SECONDS_MIN, asked * HIDDEN_FACTOR) : asked;
  return base * (1 + dice / 3);
}

const RETRY_SECONDS_MAX = 20;

/** Seconds before try number `attempt` (from 1) after a failure; never earlier than the server asked for. */
export function retryDelay(attempt, retryAfterSeconds = 0, dice = Math.random()) {
  const backoff = Math.min(RETRY_SECONDS_MAX, 2 ** Math.min(attempt, 6) / 2);
  return Math.max(retryAfterSeconds || 0, backoff / 2) + (dice * backoff) / 2;
}
