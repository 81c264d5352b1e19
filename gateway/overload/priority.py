"""What goes first when not everything can be done, and how a request can end."""

from enum import IntEnum


class Priority(IntEnum):
    """The order in which work is kept, the most valuable first: money under way, then stock, then places, then views."""

    PAY = 0
    RESERVE = 1
    JOIN = 2
    BROWSE = 3


class Outcome(IntEnum):
    """How a permit ended. Only `ANSWERED` says anything about how long honest work takes."""

    ANSWERED = 0  # with any answer that means something: 201 and 409 alike
    FAILED = 1  # with a 5xx: a store that refuses at once must not look like a fast one
    LATE = 2  # the deadline passed first
    LEFT = 3  # the caller went away, or the answer waited for somebody else (a provider)
