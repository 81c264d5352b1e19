"""Tickets and admissions as tokens: rotation of keys, forgery, and what they are bound to."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some

from kit.ids import new_id
from kit.signing import TOKEN_CHARACTERS_MAX, Keyring
from queueing.admissions import AdmissionFacts, open_admission, sign_admission
from queueing.errors import AdmissionInvalid, TicketInvalid
from queueing.tickets import TicketFacts, open_ticket, sign_ticket

NOW = int(datetime(2027, 11, 11, tzinfo=UTC).timestamp())
OLD, NEW = "old:" + "o" * 32, "new:" + "n" * 32
TICKET = TicketFacts("double11", "ann", 41)
ADMISSION = AdmissionFacts(
    sale_id="double11",
    user_id="ann",
    admission_id=new_id().bytes,
    position=41,
    expires_at=NOW + 300,
)


def _keyring(text: str) -> Keyring:
    return Keyring.parse(text, variable="QUEUEING_KEYS")


def test_a_new_key_sends_nobody_away() -> None:
    """Rotation: the new key first, the old one still known; then the old one goes, and with it its tokens."""
    ticket, admission = sign_ticket(_keyring(OLD), TICKET), sign_admission(_keyring(OLD), ADMISSION)
    rotating = _keyring(f"{NEW},{OLD}")
    assert open_ticket(rotating, ticket, sale_id="double11", user_id="ann") == TICKET
    assert open_admission(rotating, admission, NOW) == ADMISSION
    assert sign_ticket(rotating, TICKET).startswith("new.")
    with pytest.raises(AdmissionInvalid) as refused:
        open_admission(_keyring(NEW), admission, NOW)
    assert refused.value.reason == "unknown_key"


@pytest.mark.parametrize(("sale_id", "user_id"), [("other", "ann"), ("double11", "bob")])
def test_a_ticket_of_another_sale_or_user_is_foreign(sale_id: str, user_id: str) -> None:
    with pytest.raises(TicketInvalid) as refused:
        open_ticket(_keyring(OLD), sign_ticket(_keyring(OLD), TICKET), sale_id=sale_id, user_id=user_id)
    assert refused.value.reason == "foreign"


def test_a_payload_of_another_shape_is_malformed_even_when_signed() -> None:
    keyring = _keyring(OLD)
    for payload in (b"", b"\x90", b"\x93\xa1a\xa1b\xa1c", b"\x95\xa1a\xa1b\xc4\x01x\x01\x02"):
        with pytest.raises(AdmissionInvalid):
            open_admission(keyring, keyring.sign("admission", payload), NOW)
        with pytest.raises(TicketInvalid):
            open_ticket(keyring, keyring.sign("ticket", payload), sale_id="double11", user_id="ann")


def test_the_longest_ids_fit_a_token() -> None:
    facts = TicketFacts("s" * 64, "u" * 64, 10**12)
    assert len(sign_ticket(_keyring(OLD), facts)) < TOKEN_CHARACTERS_MAX / 2


@given(text=some.text(max_size=200))
def test_no_text_is_an_admission(text: str) -> None:
    with pytest.raises(AdmissionInvalid):
        open_admission(_keyring(OLD), text, NOW)


@given(place=some.integers(0, 200), character=some.characters(codec="ascii"))
def test_a_changed_character_makes_an_admission_worthless(place: int, character: str) -> None:
    token = sign_admission(_keyring(OLD), ADMISSION)
    place %= len(token)
    changed = token[:place] + character + token[place + 1 :]
    if changed != token:
        with pytest.raises(AdmissionInvalid):
            open_admission(_keyring(OLD), changed, NOW)
