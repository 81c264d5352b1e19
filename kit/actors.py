"""Declaring actors: async, on ids, and ending quietly, because the rows are the truth and the message a doorbell.

What an actor could not do stays due in its row and is rung for again. So nothing is left to Dramatiq's retries, and no
exception leaves an actor: Dramatiq would keep each with its traceback and frames, and move the message to a
dead-letter list that nobody reads.
"""

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

import dramatiq
import structlog
from prometheus_client import Counter, Histogram

from kit.errors import DomainError
from kit.steps import reached

log = structlog.get_logger()

ID_CHARACTERS_MAX: Final = 64
RUNS: Final = Counter("floodgate_actor_runs_total", "Runs of actors, by how they ended", ["actor", "outcome"])
SECONDS: Final = Histogram(
    "floodgate_actor_seconds",
    "Time of one run of an actor",
    ["actor"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)


def declare_actor(
    broker: dramatiq.Broker, *, name: str, queue: str, argument: str, act: Callable[[UUID], Awaitable[object]]
) -> None:
    """Declares the actor `name`, rung with one id under the keyword `argument`."""

    async def run(**ids: str) -> None:
        with SECONDS.labels(name).time():
            # No id of ours is longer; whatever else is sent to an actor must not fill the log.
            outcome = await _run_quietly(name, act, ids.get(argument, "")[:ID_CHARACTERS_MAX])
        RUNS.labels(name, outcome).inc()

    dramatiq.actor(broker=broker, actor_name=name, queue_name=queue, max_retries=0)(run)


async def _run_quietly(name: str, act: Callable[[UUID], Awaitable[object]], subject: str) -> str:
    try:
        reached("actor.start", name)
        await act(UUID(subject))
        reached("actor.end", name)
    except DomainError as error:
        # Expected trouble (a server is away, an earlier one goes first): the row stays due.
        log.warning("actor_put_off", actor=name, subject=subject, code=error.code)
        return "put_off"
    except Exception:
        log.exception("actor_failed", actor=name, subject=subject)
        return "failed"
    return "done"
