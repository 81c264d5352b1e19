"""Which limits a request is under: the policies an operator has written for its route, and whom each of them counts.

A policy's name says whom it counts: `user`, `address` (the caller's, behind trusted proxies), `sale`, `item`, `route`;
what follows a dash tells two of a kind apart (`user`, `user-daily`). The lane and the app ask here alike, and tell the same of what was decided.
"""

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final

import msgspec
from starlette.responses import Response

from gateway.clients import Trusted, bucket_of, client_address
from gateway.limits_headers import limit_headers, limit_problem
from gateway.settings import GatewaySettings
from kit.errors import StartRefused
from kit.web.languages import preferred_language
from kit.web.problems import PROBLEM_MEDIA_TYPE, Problems
from queueing.limits.errors import QuotaExceeded, refusal
from queueing.limits.notation import parse_policies
from queueing.limits.policy import Check, LimitPolicy
from queueing.limits.service import Limits


class Asker(msgspec.Struct, frozen=True, gc=False):
    """Who asks for what, as far as a limit counts it."""

    route: str
    sale_id: str
    user_id: str
    peer: tuple[str, int] | None
    headers: Iterable[tuple[bytes, bytes]]
    sku: str = ""


KeyOf = Callable[[Asker], str]
# Whom a limit counts, by its kind; an address is known only behind the proxies that a process trusts.
_KEY_OF_KIND: Final[Mapping[str, KeyOf]] = {
    "user": attrgetter("user_id"),
    "sale": attrgetter("sale_id"),
    "item": lambda asker: f"{asker.sale_id} {asker.sku}",
    "route": attrgetter("route"),
}


class Limiting:
    """The limits of one process by route; a route without policies is not limited."""

    def __init__(self, limits: Limits, settings: GatewaySettings) -> None:
        """Raises `StartRefused` for a setting that is no list of limits."""
        self.limits = limits
        trusted = Trusted.parse(
            settings.trusted_proxies, header=settings.forwarded_header, variable="GATEWAY_TRUSTED_PROXIES"
        )
        kinds = {
            **_KEY_OF_KIND,
            "address": lambda asker: bucket_of(client_address(asker.peer, asker.headers, trusted)),
        }
        self._routes = {
            "tickets": _policies(settings.ticket_limits, "GATEWAY_TICKET_LIMITS", kinds),
            "reservations": _policies(settings.reservation_limits, "GATEWAY_RESERVATION_LIMITS", kinds),
        }

    def checks(self, asker: Asker) -> list[Check]:
        """What must be asked before this request is carried out; empty for a route that is not limited."""
        return [Check(policy, key_of(asker)) for policy, key_of in self._routes.get(asker.route, ())]

    async def pass_through(self, asker: Asker) -> dict[str, str]:
        """Takes a unit of each limit of this request; what its answer must say of them.

        Raises `QuotaExceeded`, `CapacityReduced`, and `Unavailable` when this process may not decide alone.
        """
        checks = self.checks(asker)
        if not checks:
            return {}
        decision = await self.limits.check(checks, scope=asker.sale_id)
        if not decision.allowed:
            raise refusal(decision)
        return limit_headers(decision)


def limit_answer(problems: Problems, error: QuotaExceeded, asked: str | None) -> Response:
    """The refusal of a limit, in the language that was asked for."""
    language = preferred_language(asked)
    status, document = limit_problem(problems, error, language)
    return Response(
        json.dumps(document, ensure_ascii=False).encode(),
        status_code=status,
        media_type=PROBLEM_MEDIA_TYPE,
        headers={
            "Content-Language": language,
            "Vary": "Accept-Language",
            "Cache-Control": "no-store",
            **limit_headers(error.decision, jitter=random.random()),  # noqa: S311 - spreads a crowd, hides nothing
        },
    )


def _policies(text: str, variable: str, kinds: Mapping[str, KeyOf]) -> Sequence[tuple[LimitPolicy, KeyOf]]:
    try:
        policies = parse_policies(text)
    except ValueError as error:
        raise StartRefused(f"{variable} cannot be read: {error}; correct or empty it.") from error
    for name in policies:
        if name.partition("-")[0] not in kinds:
            raise StartRefused(
                f"{variable}: a limit counts one of {', '.join(kinds)}, and {name} none of them."
            )
    return [(policy, kinds[name.partition("-")[0]]) for name, policy in policies.items()]
