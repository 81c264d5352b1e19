"""The types of the lane are the described ones: it takes what the app takes, with its bounds."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import answers, requests
from gateway.lane import bodies, rendering
from tests.gateway.scene import SKU

WISHES = st.fixed_dictionaries(
    {
        "sku": st.one_of(st.just(SKU), st.text(max_size=70), st.integers()),
        "quantity": st.one_of(st.integers(-2, 5), st.none()),
    },
    optional={
        "phone": st.one_of(st.none(), st.text(max_size=25), st.from_regex(requests.PHONE_PATTERN)),
        "extra": st.integers(),
    },
)


@given(wish=WISHES)
@settings(max_examples=300, deadline=None)
def test_the_lane_never_takes_a_wish_that_the_app_refuses(wish: dict[str, Any]) -> None:
    """And takes every one that the app takes: the app is asked again only for what it is going to refuse."""
    body = msgspec.json.encode(wish)
    fast = bodies.read_reservation({b"content-type": b"application/json"}, body)
    try:
        slow = requests.ReservationRequest.model_validate(msgspec.json.decode(body))
    except ValueError:
        assert fast is None
    else:
        assert fast is not None
        assert (fast.sku, fast.quantity, fast.phone) == (slow.sku, slow.quantity, slow.phone)


@pytest.mark.parametrize(
    ("fast", "slow"),
    [
        (bodies.ReservationWish, requests.ReservationRequest),
        (bodies.AdmissionWish, requests.AdmissionRequest),
        (rendering.TicketDocument, answers.TicketAnswer),
        (rendering.AdmissionDocument, answers.AdmissionAnswer),
        (rendering.ReservationDocument, answers.ReservationAnswer),
    ],
)
def test_the_types_of_the_lane_have_the_fields_of_the_described_ones_in_their_order(
    fast: Any, slow: Any
) -> None:
    assert list(fast.__struct_fields__) == list(slow.model_fields)
    if hasattr(slow.model_config, "get") and slow.model_config.get("extra") == "forbid":
        (lane,), parts = msgspec.json.schema_components([fast])
        described = slow.model_json_schema()
        lane_fields = parts[fast.__name__]["properties"]
        for name, field in described["properties"].items():
            assert bounds(lane_fields[name]) == bounds(field), name
        assert lane["$ref"].endswith(fast.__name__)


def bounds(schema: dict[str, Any]) -> set[tuple[str, object]]:
    """The bounds that a field's schema names, wherever it names them."""
    found = {
        (name, str(schema[name]).removesuffix("$").removesuffix(r"\Z"))
        for name in ("minLength", "maxLength", "pattern", "minimum", "maximum", "type")
        if name in schema
    }
    for part in schema.get("anyOf", []):
        found |= bounds(part)
    return found
