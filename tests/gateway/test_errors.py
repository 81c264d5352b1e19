"""One table gives every refusal a status and words; no room's fact can leave without."""

import flashsale.errors
import kit.idempotency
import kit.provider
import queueing.errors
import rewards.errors
from gateway.errors import PROBLEMS
from kit.errors import DomainError
from kit.web.texts import GENERAL

# Raised where no shopper asks: planning, workers, and provider calls that the rooms turn into `Unavailable`.
NOT_AT_THIS_DOOR = {
    "sale_already_open", "stock_below_taken",
    "reward_rule_invalid", "reward_rule_already_granted", "reward_budget_below_promised",
    "earlier_confirmations_open", "balance_too_low",
    "provider_unknown", "provider_refused",
}  # fmt: skip
ROOMS = (flashsale.errors, queueing.errors, rewards.errors, kit.idempotency, kit.provider)


def test_every_fact_a_room_can_refuse_with_has_words_at_the_door() -> None:
    codes = {
        found.code
        for room in ROOMS
        for found in vars(room).values()
        if isinstance(found, type) and issubclass(found, DomainError) and found is not DomainError
    }
    assert codes - NOT_AT_THIS_DOOR <= {*PROBLEMS, *GENERAL}
    assert codes >= NOT_AT_THIS_DOOR, "a code that no longer exists"


def test_every_problem_speaks_both_languages_and_says_how_to_authenticate() -> None:
    for code, text in {**GENERAL, **PROBLEMS}.items():
        for words in (text.title, text.detail):
            assert set(words) == {"en", "zh-CN"}, code
            assert all(words.values()), code
            assert any("\u4e00" <= letter <= "\u9fff" for letter in words["zh-CN"]), code
        assert (text.challenge is not None) == (text.status == 401), code
