"""What the waiting room can refuse, as business facts."""

from kit.errors import DomainError, Unavailable


class RoomUnknown(DomainError):
    """No waiting room of this sale is open to anybody. Facts: `sale_id`."""

    code = "sale_unknown"


class TooEarly(DomainError):
    """Tickets are not handed out yet. Facts: `sale_id`, `opens_at`; `retry_after_seconds` says when they are."""

    code = "sale_not_open"


class SaleOver(DomainError):
    """The window has closed. Facts: `sale_id`, `closes_at`."""

    code = "sale_over"


class QueueUnavailable(Unavailable):
    """The waiting room cannot hand out places now; whoever has a ticket keeps the place."""

    def __init__(self, *, retry_after_seconds: float = 1.0) -> None:
        super().__init__("queue", retry_after_seconds=retry_after_seconds)


class TicketInvalid(DomainError):
    """The ticket is not one of ours, or belongs to another user or sale. `reason` is for counters only."""

    code = "ticket_invalid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__()


class NotYourTurn(DomainError):
    """The frontier has not passed this position. Facts: `position`, `frontier`."""

    code = "not_your_turn"


class AdmissionInvalid(DomainError):
    """The admission gives no right to buy. `reason` is for counters only: the answer is no oracle."""

    code = "admission_invalid"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__()
