"""Expected failures, named as business facts. Rooms raise them; only the doors know their HTTP status."""

from typing import ClassVar


class DomainError(Exception):
    """An expected failure. `code` is stable and public; `facts` fill the message of the door that shows it.

    `retry_after_seconds`, where set, tells the caller when another try makes sense.
    """

    code: ClassVar[str] = "domain_error"

    def __init__(self, *, retry_after_seconds: float | None = None, **facts: object) -> None:
        # Not the base's `__init__`, which would only be told nothing: refusals are made as often as answers.
        self.facts = facts
        self.retry_after_seconds = retry_after_seconds

    def __str__(self) -> str:
        """For logs; most refusals are never printed, so it is not made before."""
        return f"{self.code} {self.facts}" if self.facts else self.code


class Unavailable(DomainError):
    """Something this answer needs is away; nothing was half done, try again. Facts: `what`."""

    code = "unavailable"

    def __init__(self, what: str, *, retry_after_seconds: float = 1.0) -> None:
        super().__init__(retry_after_seconds=retry_after_seconds, what=what)


class InvalidInput(DomainError):
    """The input is of the right shape and still cannot be meant. Facts: `field`, `problem`."""

    code = "invalid_request"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field=field, problem=problem)


class StartRefused(Exception):
    """A process cannot start; the message is one sentence that says what to do."""
