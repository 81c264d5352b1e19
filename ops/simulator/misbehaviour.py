"""How the provider misbehaves: ratios drawn from a seeded dice, changed while it runs."""

import random
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Ratio = float
PayoutTurn = Literal["paid", "silent", "error", "declined", "closed"]


class Misbehaviour(BaseModel):
    """All zero: a provider that answers, once, at once. The payout ratios may not exceed 1 together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 1
    webhook_copies_max: int = Field(default=1, ge=1, le=10)
    webhook_delay_ms_max: int = Field(default=0, ge=0, le=600_000)
    payout_silent_ratio: Ratio = Field(default=0, ge=0, le=1)  # executed, no answer
    payout_error_ratio: Ratio = Field(default=0, ge=0, le=1)  # 500, nothing executed
    payout_decline_ratio: Ratio = Field(default=0, ge=0, le=1)  # a no that another number may turn
    payout_close_ratio: Ratio = Field(default=0, ge=0, le=1)  # a no for good
    payment_error_ratio: Ratio = Field(default=0, ge=0, le=1)  # 500, nothing executed
    payment_late_ratio: Ratio = Field(default=0, ge=0, le=1)  # the webhook comes after payment_late_ms
    payment_late_ms: int = Field(default=30_000, ge=0, le=600_000)
    refund_error_ratio: Ratio = Field(default=0, ge=0, le=1)  # 500, nothing executed

    @model_validator(mode="after")
    def _together_at_most_one(self) -> "Misbehaviour":
        if self.payout_total > 1 + 1e-9:
            raise ValueError("the payout ratios exceed 1 together")
        return self

    @property
    def payout_total(self) -> float:
        return (
            self.payout_silent_ratio
            + self.payout_error_ratio
            + self.payout_decline_ratio
            + self.payout_close_ratio
        )


class Dice:
    """Draws what happens next. The same seed and the same order of calls give the same faults."""

    def __init__(self, plan: Misbehaviour) -> None:
        self.plan = plan
        self._random = random.Random(plan.seed)  # noqa: S311 - repeatable on purpose

    def payout(self) -> PayoutTurn:
        """What becomes of one call to pay out."""
        roll = self._random.random()
        turns: tuple[tuple[PayoutTurn, float], ...] = (
            ("silent", self.plan.payout_silent_ratio),
            ("error", self.plan.payout_error_ratio),
            ("declined", self.plan.payout_decline_ratio),
            ("closed", self.plan.payout_close_ratio),
        )
        for turn, ratio in turns:
            if roll < ratio:
                return turn
            roll -= ratio
        return "paid"

    def payment_fails(self) -> bool:
        return self._random.random() < self.plan.payment_error_ratio

    def refund_fails(self) -> bool:
        return self._random.random() < self.plan.refund_error_ratio

    def webhook_delay_seconds(self, *, payment: bool) -> float:
        if payment and self._random.random() < self.plan.payment_late_ratio:
            return self.plan.payment_late_ms / 1000
        return self._random.uniform(0, self.plan.webhook_delay_ms_max) / 1000

    def webhook_copies(self) -> int:
        return self._random.randint(1, self.plan.webhook_copies_max)
