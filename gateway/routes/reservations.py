"""Holding, looking at and giving back what is scarce; paying for it."""

from fastapi import APIRouter, Request, Response

from flashsale import facts
from flashsale.reservations import Reserved, ReserveRequest, get_reservation
from gateway.answers import PaymentAnswer, ReservationAnswer
from gateway.callers import Admitted, PartsOf, User, pass_limits
from gateway.describe import FOR_USER, LIMITED, WITH_BODY, answers
from gateway.requests import IdempotencyKey, ReservationId, ReservationRequest, SaleId
from kit.errors import DomainError
from kit.ids import uuid_of
from kit.sinks import Waiter
from kit.web.strict import StrictRoute

router = APIRouter(tags=["reservations"], route_class=StrictRoute)

REPLAYED = "Idempotency-Replayed"


@router.post(
    "/v1/sales/{sale_id}/reservations",
    status_code=201,
    responses={
        201: {
            "description": "Held, durably; the same answer to the same key",
            "headers": {
                REPLAYED: {
                    "description": "Present when this key was answered before",
                    "schema": {"type": "string", "enum": ["true"]},
                }
            },
        },
        **answers(
            *WITH_BODY, *LIMITED, "key_missing", "admission_missing", "admission_invalid", "admission_foreign",
            "sale_unknown", "item_unknown", "sale_not_open", "sold_out", "limit_reached", "in_progress",
            "sale_over", "key_reused", "quantity_invalid", "unavailable",
        ),
    },
)  # fmt: skip
async def reserve(
    sale_id: SaleId,
    wish: ReservationRequest,
    key: IdempotencyKey,
    admission: Admitted,
    parts: PartsOf,
    request: Request,
    response: Response,
) -> ReservationAnswer:
    """Holds units. The answer comes after the commit: what it says is so, whatever happens next."""
    prepared = parts.reservations.prepare(
        ReserveRequest(
            admitted=facts.Admitted(
                sale_id, admission.user_id, uuid_of(admission.admission_id), admission.position
            ),
            sku=wish.sku,
            quantity=wish.quantity,
            idempotency_key=key,
            phone=wish.phone,
        )
    )
    if isinstance(prepared, DomainError):
        raise prepared
    await pass_limits(parts, request, response, "reservations", admission.user_id, wish.sku)
    waiter: Waiter[Reserved] = Waiter()
    parts.reservations.enter(prepared, waiter)
    reserved = await waiter
    if reserved.replayed:
        response.headers[REPLAYED] = "true"
    return ReservationAnswer.of(reserved.reservation)


@router.get(
    "/v1/reservations/{reservation_id}",
    responses=answers(*FOR_USER, "reservation_unknown", "invalid_request", "unavailable"),
)
async def show(reservation_id: ReservationId, user: User, parts: PartsOf) -> ReservationAnswer:
    """The owner's reservation; for anybody else there is none."""
    async with parts.postgres.read() as session:
        return ReservationAnswer.of(await get_reservation(session, reservation_id, user.user_id))


@router.delete(
    "/v1/reservations/{reservation_id}",
    responses=answers(*FOR_USER, "reservation_unknown", "hold_ended", "invalid_request", "unavailable"),
)
async def release(reservation_id: ReservationId, user: User, parts: PartsOf) -> ReservationAnswer:
    """Gives a hold back; again, it says the same."""
    async with parts.postgres.unit_of_work() as session:
        released = await parts.reservations.release(session, reservation_id, user.user_id)
    return ReservationAnswer.of(released)


@router.post(
    "/v1/reservations/{reservation_id}/payment",
    responses=answers(
        *FOR_USER, "reservation_unknown", "hold_ended", "already_paid", "hold_expired", "invalid_request",
        "unavailable",
    ),
)  # fmt: skip
async def open_payment(reservation_id: ReservationId, user: User, parts: PartsOf) -> PaymentAnswer:
    """Where to pay; asked again, the same payment."""
    return PaymentAnswer.of(await parts.payments.open_payment(reservation_id, user.user_id))
