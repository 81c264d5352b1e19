"""A shopper's own state, read from the primary, and the live notices of it."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header
from starlette.responses import StreamingResponse

from flashsale.reservations import list_reservations
from gateway.answers import ReservationAnswer, ReservationsAnswer, RewardAnswer, RewardsAnswer
from gateway.callers import PartsOf, User
from gateway.describe import FOR_USER, answers
from rewards.grants import list_rewards

router = APIRouter(prefix="/v1/me", tags=["me"])

EVENT_STREAM: Final = "text/event-stream"
# One event, as its fields on the wire (OpenAPI 3.2, 4.14.4).
_EVENT: Final = {
    "type": "object",
    "properties": {
        "event": {"type": "string", "enum": ["snapshot", "won", "paid", "reward_sent"]},
        "id": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "retry": {"type": "integer", "minimum": 0},
    },
}
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Server-Sent Events: `snapshot` (reservations and rewards as they are), then `won` and `paid` "
        "(a reservation), `reward_sent` (a reward). Each has an id to resume with (Last-Event-ID).",
        "content": {EVENT_STREAM: {"schema": _EVENT}},
    }
}


@router.get("/reservations", responses=answers(*FOR_USER, "unavailable"))
async def my_reservations(user: User, parts: PartsOf) -> ReservationsAnswer:
    """The newest hundred reservations."""
    async with parts.postgres.read() as session:
        found = await list_reservations(session, user.user_id)
    return ReservationsAnswer(reservations=[ReservationAnswer.of(one) for one in found])


@router.get("/rewards", responses=answers(*FOR_USER, "unavailable"))
async def my_rewards(user: User, parts: PartsOf) -> RewardsAnswer:
    """What was earned and how far its payment is."""
    async with parts.postgres.read() as session:
        found = await list_rewards(session, user.user_id)
    return RewardsAnswer(rewards=[RewardAnswer.of(one) for one in found])


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={**answers(*FOR_USER, "invalid_request", "too_many_streams", "unavailable"), **_STREAM},
)
async def my_events(
    user: User,
    parts: PartsOf,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", description="The id of the last event that was received")
    ] = None,
) -> StreamingResponse:
    """Live notices. With `Last-Event-ID` exactly what was not told yet; without it a snapshot first."""
    stream = await parts.live.open(user.user_id, last_event_id)
    return StreamingResponse(
        stream,
        media_type=EVENT_STREAM,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
