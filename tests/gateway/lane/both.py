"""The gateway with its lane, and the same app behind a plain server: each request is sent twice over sockets."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from kit.signing import Keyring
from queueing.admissions import AdmissionFacts, sign_admission
from tests.gateway.lane.wire import Answer, request
from tests.gateway.scene import QUEUEING, SKU

if TYPE_CHECKING:
    from tests.gateway.lane.conftest import Served

KEYRING = Keyring.parse(QUEUEING.keys, variable="QUEUEING_KEYS")
VARYING = ("reservation_id", "held_at", "expires_at", "server_time", "ticket", "admission", "position")
UNCOUNTED = {"date", "content-length"}  # the length follows from the body, which is compared


@dataclass
class Both:
    """The same parts behind the lane and behind the app alone."""

    lane: "Served"
    app: "Served"

    @property
    def path(self) -> str:
        return self.lane.path

    def admission(self, user: str | None = None, *, sale_id: str | None = None, seconds: float = 300) -> str:
        """An admission of somebody whom no other test has met."""
        facts = AdmissionFacts(
            sale_id=sale_id or self.lane.scene.sale_id,
            user_id=user or f"u-{uuid4().hex[:16]}",
            admission_id=uuid4().bytes,
            position=0,
            expires_at=int(time.time() + seconds),
        )
        return sign_admission(KEYRING, facts)

    async def agree(self, make: Callable[[], bytes], case: object = "") -> Answer:
        """Asks both, with a request of its own each, and compares; the lane's answer."""
        (fast,), (slow,) = await self.lane.ask(make()), await self.app.ask(make())
        assert seen(fast) == seen(slow), case
        return fast


def seen(answer: Answer) -> tuple[int, dict[str, str], object]:
    """What must agree of an answer."""
    fields = {name: value for name, value in answer.fields if name not in UNCOUNTED}
    body: object = answer.body
    if fields.get("content-type", "").endswith("json"):
        text = re.sub(r"sale-[0-9a-f]{16}", "sale", answer.body.decode())
        for name in VARYING:
            text = re.sub(rf'"{name}":"[^"]*"', f'"{name}":"…"', text)
            text = re.sub(rf'"{name}":\d+', f'"{name}":0', text)
        body = text
    return answer.status, fields, body


def reserve(both: Both, body: Any = None, path: str | None = None, **headers: str | None) -> bytes:
    fields = {
        "Authorization": f"Bearer {both.admission()}",
        "Idempotency-Key": uuid4().hex,
        "Content-Type": "application/json",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    sent = {name: value for name, value in fields.items() if value is not None}
    whole = {"sku": SKU, "quantity": 1} if body is None else body
    return request("POST", path or f"{both.path}/reservations", sent, whole)
