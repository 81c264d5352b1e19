"""The dice: ratios are met, the same seed repeats, and zero means a provider without faults."""

from collections import Counter

from ops.simulator.misbehaviour import Dice, Misbehaviour


def test_a_provider_without_ratios_has_no_faults() -> None:
    dice = Dice(Misbehaviour())
    assert {dice.payout() for _ in range(200)} == {"paid"}
    assert not any(dice.payment_fails() or dice.refund_fails() for _ in range(200))
    assert {dice.webhook_copies() for _ in range(50)} == {1}
    assert dice.webhook_delay_seconds(payment=True) == 0


def test_ratios_are_met_and_repeat_with_the_seed() -> None:
    plan = Misbehaviour(
        seed=5,
        payout_silent_ratio=0.1,
        payout_error_ratio=0.2,
        payout_decline_ratio=0.3,
        payout_close_ratio=0.1,
    )
    turns = [Dice(plan).payout() for _ in range(3)]
    assert len(set(turns)) == 1
    dice = Dice(plan)
    shares = Counter(dice.payout() for _ in range(10_000))
    expected = {"silent": 1_000, "error": 2_000, "declined": 3_000, "closed": 1_000, "paid": 3_000}
    assert all(abs(shares[turn] - count) < 200 for turn, count in expected.items())


def test_late_payments_and_copies_stay_within_their_bounds() -> None:
    dice = Dice(
        Misbehaviour(
            payment_late_ratio=1, payment_late_ms=9_000, webhook_copies_max=3, webhook_delay_ms_max=50
        )
    )
    assert dice.webhook_delay_seconds(payment=True) == 9
    assert all(0 <= dice.webhook_delay_seconds(payment=False) <= 0.05 for _ in range(100))
    assert {dice.webhook_copies() for _ in range(100)} == {1, 2, 3}
