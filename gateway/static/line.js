// The place in line and the pace of asking: pure arithmetic.

/** How many are still before `position`. The frontier leaps over gaps, where nobody stands. */
export function peopleAhead(position, { frontier, gaps = [] }) {
  const leapt = gaps.reduce((sum, [from, to]) => sum + Math.max(0, Math.min(to, position) - Math.max(from, frontier)), 0);
  return Math.max(0, position - frontier - leapt);
}

export function mayEnter(position, room) {
  return position < room.frontier;
}

/** Seconds until it is one's turn, or null where nobody can say. */
export function etaSeconds(position, room) {
  if (room.state === "paused" || !(room.rate_per_second > 0)) return null;
  return (peopleAhead(position, room) + 1) / room.rate_per_second;
}

const HIDDEN_FACTOR = 4; // nobody looks: ask a quarter as often
const HIDDEN_SECONDS_MIN = 15;
const ASK_SECONDS_MAX = 60;

/**
 * Seconds until the next look at the queue. Each adds up to a third: a crowd that came in the same second must not ask
 * in the same second for ever.
 */
export function pollDelay(nextPollSeconds, isHidden, dice = Math.random()) {
  const asked = Math.min(ASK_SECONDS_MAX, Math.max(1, nextPollSeconds || 2));
  return (isHidden ? Math.max(HIDDEN_SECONDS_MIN, asked * HIDDEN_FACTOR) : asked) * (1 + dice / 3);
}

const RETRY_SECONDS_MAX = 20;

/** Seconds before try `attempt` + 1 after a failure; never earlier than the server asked for. */
export function retryDelay(attempt, retryAfterSeconds = 0, dice = Math.random()) {
  const backoff = Math.min(RETRY_SECONDS_MAX, 2 ** Math.min(attempt, 6) / 2);
  return Math.max(retryAfterSeconds, backoff / 2) + (dice * backoff) / 2;
}
