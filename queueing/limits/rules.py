"""The generic cell rate algorithm in whole ticks: pure, exact, and the model that the script is checked against.

GCRA (ITU-T I.371) keeps one number, the theoretical arrival time: the instant at which the bucket is full again. Here
it is kept as `ahead`, the ticks from now until then. A request of cost c passes if ahead + c·interval ≤ capacity.

In any span of L ticks at most (capacity + L) / interval units pass: each unit moves the instant by `interval`, it starts
at the beginning of the span at the earliest and may not pass its end by more than `capacity`. No fixed windows, so no
double quota at a boundary.
"""


def ahead_at(tat: int, now: int, capacity: int) -> int:
    """How far from full a bucket is. It owes at most its capacity, whatever a clock that was set back says."""
    return min(max(tat - now, 0), capacity)


def passes(ahead: int, cost: int, capacity: int) -> bool:
    """Whether a request of `cost` ticks fits."""
    return ahead + cost <= capacity


def refundable(taken_until: int, cost: int, now: int) -> int:
    """What of a taking can come back: the part of its own time that has not passed.

    The taking moved the instant of being full to `taken_until`. What lies before now has been refilled already; giving
    it back would let more pass than the rate allows, as if a unit of yesterday were returned today. What lies after now
    is still missing for its sake. (Where others were refunded that came before it, it is missing from earlier than its
    receipt says: of several refunds within one filling time each but the first may give up to its own cost too much.)
    """
    return min(cost, max(0, taken_until - now))


def remaining(ahead: int, capacity: int, interval: int) -> int:
    """Whole units left."""
    return (capacity - ahead) // interval if ahead < capacity else 0


def wait(ahead: int, cost: int, capacity: int) -> int:
    """Ticks until a request of `cost` ticks fits, if nobody else takes anything."""
    return max(0, ahead + cost - capacity)


def share_of(burst: int, interval: int, processes: int) -> tuple[int, int]:
    """(interval, capacity) of one process's part of a bucket: the rate divided exactly, the burst rounded up.

    Rounded down, a limit of five among eight processes would let nobody pass.
    """
    slower = interval * processes
    return slower, -(-burst // processes) * slower


def over_admission_max(burst: int, processes: int) -> int:
    """The most units by which one bucket can be overdrawn by one loss of Redis, however long.

    Redis had given `burst` when it went; `processes` parts of it start full, `processes - 1` units more than the burst
    by rounding up; and when Redis is back its bucket has filled, for it was not asked meanwhile. Beyond these two bursts
    the parts together give the rate and no more. So: 2·burst + processes - 1 above what the bucket itself allows.
    """
    return 2 * burst + processes - 1
