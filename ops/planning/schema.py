"""The fields of a sale file. Unknown ones are mistakes, not remarks; money is in minor units; times carry a zone."""

import re
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from kit.ids import SLUG_PATTERN
from ops.planning.currencies import CURRENCIES

SKU_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
COUPON_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{1,39}$"
PRICE_MINOR_MAX: Final = 10**12  # times the largest limit a person it still fits an amount
STOCK_MAX: Final = 10_000_000  # far above any flash sale; Redis counts it exactly
BUCKETS_MAX: Final = 64  # far above what one item needs; each is looked at by every process each second
ITEMS_MAX: Final = 100  # each has a band in the queue document, which the whole crowd fetches
REWARDS_MAX: Final = 20  # each is judged for every confirmation, under a lock
AMOUNT_MAX: Final = 10**9
BUDGET_MAX: Final = 10**15
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?\s*([Zz]|[+-]\d\d:?\d\d)?")


def _instant(value: object) -> datetime:
    text = str(value).strip()
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise PydanticCustomError("time", "not a time")
    if match[3] is None:
        raise PydanticCustomError("time_zone", "no time zone")
    try:
        return datetime.fromisoformat(text.replace(" ", "T", 1).replace(" ", "").upper())
    except ValueError:
        raise PydanticCustomError("time", "not a time") from None


def _currency(value: object) -> str:
    if not isinstance(value, str) or value not in CURRENCIES:
        raise PydanticCustomError("currency", "not a currency")
    return value


def _price(value: object) -> object:
    if value == 0:
        raise PydanticCustomError("price_zero", "zero")
    return value


Slug = Annotated[str, StringConstraints(pattern=SLUG_PATTERN)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Currency = Annotated[str, BeforeValidator(_currency)]
Price = Annotated[int, BeforeValidator(_price), Field(ge=1, le=PRICE_MINOR_MAX)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Subtitle = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Rules = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
Amount = Annotated[int, Field(ge=1, le=AMOUNT_MAX)]
Budget = Annotated[int, Field(ge=1, le=BUDGET_MAX)]


class Section(BaseModel):
    """A part of the file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SaleText(Section):
    title: Title
    subtitle: Subtitle | None = None
    rules: Rules


class SaleTexts(Section):
    zh: SaleText = Field(alias="zh-CN")
    en: SaleText


class ItemText(Section):
    title: Title
    subtitle: Subtitle | None = None


class ItemTexts(Section):
    zh: ItemText = Field(alias="zh-CN")
    en: ItemText


class AdmissionSection(Section):
    rate_per_second: Annotated[int, Field(ge=1, le=1_000_000)]


class SaleSection(Section):
    id: Slug
    campaign: Slug
    currency: Currency
    opens_at: Instant
    closes_at: Instant
    hold_seconds: Annotated[int, Field(ge=5, le=86_400)]
    admission: AdmissionSection
    texts: SaleTexts


class ItemSection(Section):
    sku: Annotated[str, StringConstraints(pattern=SKU_PATTERN)]
    price_minor: Price
    stock: Annotated[int, Field(ge=1, le=STOCK_MAX)]
    per_user_limit: Annotated[int, Field(ge=1, le=1000)]
    buckets: Annotated[int, Field(ge=1, le=BUCKETS_MAX)] = 1
    texts: ItemTexts


class PointsReward(Section):
    """So many points for each confirmed reservation."""

    id: Slug
    kind: Literal["points"]
    points: Amount
    first_n: Annotated[int, Field(ge=1, le=STOCK_MAX)] | None = None
    budget_points: Budget


class CouponReward(Section):
    """One coupon for each confirmed reservation."""

    id: Slug
    kind: Literal["coupon"]
    coupon_code: Annotated[str, StringConstraints(pattern=COUPON_PATTERN)]
    first_n: Annotated[int, Field(ge=1, le=STOCK_MAX)] | None = None
    budget_coupons: Budget


class CashReward(Section):
    """Money back, in the sale's currency, for each confirmed reservation."""

    id: Slug
    kind: Literal["cash"]
    amount_minor: Amount
    first_n: Annotated[int, Field(ge=1, le=STOCK_MAX)] | None = None
    budget_minor: Budget


RewardSection = Annotated[PointsReward | CouponReward | CashReward, Field(discriminator="kind")]


class Document(Section):
    sale: SaleSection
    items: Annotated[list[ItemSection], Field(min_length=1, max_length=ITEMS_MAX)]
    rewards: Annotated[list[RewardSection], Field(max_length=REWARDS_MAX)] = []


# What may stand where, for "did you mean": the names of a path, without places in lists and languages.
FIELDS: Final[dict[tuple[str, ...], type[Section]]] = {
    (): Document,
    ("sale",): SaleSection,
    ("sale", "admission"): AdmissionSection,
    ("sale", "texts"): SaleTexts,
    ("sale", "texts", "language"): SaleText,
    ("items",): ItemSection,
    ("items", "texts"): ItemTexts,
    ("items", "texts", "language"): ItemText,
    ("rewards", "points"): PointsReward,
    ("rewards", "coupon"): CouponReward,
    ("rewards", "cash"): CashReward,
}


def known_fields(location: tuple[str | int, ...]) -> list[str]:
    """The field names of the section at pydantic's `location`."""
    names = tuple(
        "language" if part in {"zh-CN", "en"} else part for part in location if isinstance(part, str)
    )
    section = FIELDS.get(names)
    return [field.alias or name for name, field in section.model_fields.items()] if section else []
