"""Who is asking: the parts that every route gets, the bearer of a user token, the bearer of an admission."""

from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.security import HTTPBearer

from gateway import metrics
from gateway.errors import AdmissionForeign, AdmissionMissing
from gateway.limiting import Asker
from gateway.parts import Parts
from kit.identity import Identity
from kit.web.bearer import TokenInvalid, TokenMissing, bearer_identity, bearer_token
from queueing.errors import AdmissionInvalid
from queueing.service import AdmissionFacts

# Only to describe the schemes in the OpenAPI document; what they find is read and judged below.
_user_scheme = HTTPBearer(
    scheme_name="user", bearerFormat="JWT", description="The shopper's token", auto_error=False
)
_admission_scheme = HTTPBearer(
    scheme_name="admission",
    bearerFormat="kid.payload.signature",
    description="The admission from POST /v1/sales/{sale_id}/admissions",
    auto_error=False,
)


async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsOf = Annotated[Parts, Depends(_parts)]


async def _user(
    request: Request, parts: PartsOf, _described: Annotated[object, Depends(_user_scheme)]
) -> Identity:
    """Raises `TokenMissing`, `TokenInvalid`."""
    try:
        return bearer_identity(request, parts.identities)
    except TokenMissing:
        metrics.REFUSED_TOKENS.row("user")["missing"] += 1
        raise
    except TokenInvalid as refused:
        metrics.REFUSED_TOKENS.row("user")[refused.reason] += 1
        raise


async def _admitted(
    request: Request, parts: PartsOf, _described: Annotated[object, Depends(_admission_scheme)]
) -> AdmissionFacts:
    """The admission, for the sale in the path. Raises `AdmissionMissing`, `AdmissionInvalid`, `AdmissionForeign`."""
    token = bearer_token(request)
    if token is None:
        metrics.REFUSED_TOKENS.row("admission")["missing"] += 1
        raise AdmissionMissing
    try:
        admission = parts.waiting_room.verify_admission(token)
    except AdmissionInvalid as refused:
        metrics.REFUSED_TOKENS.row("admission")[refused.reason] += 1
        raise
    if admission.sale_id != request.path_params["sale_id"]:
        metrics.REFUSED_TOKENS.row("admission")["foreign"] += 1
        raise AdmissionForeign
    return admission


User = Annotated[Identity, Depends(_user)]
Admitted = Annotated[AdmissionFacts, Depends(_admitted)]


async def pass_limits(
    parts: Parts, request: Request, response: Response, route: str, user_id: str, sku: str = ""
) -> None:
    """The limits of a route, told in the answer. Raises `QuotaExceeded`, `CapacityReduced`, `Unavailable`."""
    if parts.limiting is None:
        return
    peer = (request.client.host, request.client.port) if request.client is not None else None
    sale_id = request.path_params["sale_id"]
    asker = Asker(route, sale_id, user_id, peer, request.scope["headers"], sku)
    for name, value in (await parts.limiting.pass_through(asker)).items():
        response.headers[name] = value
