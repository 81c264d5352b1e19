"""The local issuer: user tokens for whoever asks. Mounted in the embedded mode alone."""

from fastapi import APIRouter

from gateway.answers import SignInAnswer
from gateway.callers import PartsOf
from gateway.describe import WITH_BODY, answers
from gateway.requests import SignInRequest
from kit.web.strict import StrictRoute

router = APIRouter(prefix="/v1/local", tags=["local issuer"], route_class=StrictRoute)


@router.post("/sign-in", responses=answers(*WITH_BODY))
async def sign_in(wish: SignInRequest, parts: PartsOf) -> SignInAnswer:
    """A token for this user id, as a shop's own sign-in would give it."""
    issued = parts.identities.issue_user(wish.user_id, phone=wish.phone)
    return SignInAnswer(token=issued.token, expires_at=issued.expires_at)
