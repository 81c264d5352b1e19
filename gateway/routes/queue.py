"""The way in: a place in line, and the admission when the turn has come."""

from fastapi import APIRouter, Request, Response

from gateway.answers import AdmissionAnswer, TicketAnswer
from gateway.callers import PartsOf, User, pass_limits
from gateway.describe import FOR_USER, LIMITED, WITH_BODY, answers
from gateway.requests import AdmissionRequest, SaleId
from kit.web.strict import StrictRoute

router = APIRouter(tags=["waiting room"], route_class=StrictRoute)


@router.post(
    "/v1/sales/{sale_id}/tickets",
    status_code=201,
    responses={
        200: {"model": TicketAnswer, "description": "The same place again"},
        **answers(
            *FOR_USER,
            *LIMITED,
            "sale_unknown",
            "sale_not_open",
            "sale_over",
            "invalid_request",
            "unavailable",
        ),
    },
)
async def join(
    sale_id: SaleId, user: User, parts: PartsOf, request: Request, response: Response
) -> TicketAnswer:
    """A place in line: 201 the first time, 200 and the same place after."""
    await pass_limits(parts, request, response, "tickets", user.user_id)
    ticket = await parts.waiting_room.join(sale_id, user.user_id)
    if not ticket.first:
        response.status_code = 200
    return TicketAnswer(ticket=ticket.token, position=ticket.position)


@router.post(
    "/v1/sales/{sale_id}/admissions",
    status_code=201,
    responses=answers(
        *FOR_USER, *WITH_BODY, "ticket_invalid", "sale_unknown", "not_your_turn", "sale_over", "unavailable"
    ),
)
async def admit(sale_id: SaleId, wish: AdmissionRequest, user: User, parts: PartsOf) -> AdmissionAnswer:
    """The right to buy, once the frontier has passed the ticket's position; 409 with Retry-After before."""
    admission = parts.waiting_room.admit(sale_id, user.user_id, wish.ticket)
    return AdmissionAnswer(
        admission=admission.token, expires_at=admission.expires_at, position=admission.position
    )
