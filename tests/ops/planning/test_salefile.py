"""A sale file's mistakes: each with its line, its field, what is wrong and the mend, in both languages."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from ops.planning.errors import SaleFileInvalid, SaleFileProblem
from ops.planning.messages import MESSAGES
from ops.planning.salefile import parse
from ops.planning.tree import CHARACTERS_MAX
from tests.ops.planning.conftest import EXAMPLES


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_examples_are_valid(file: Path) -> None:
    sale_file = parse(file.read_text(encoding="utf-8"))
    assert sale_file.sale.sale_id == sale_file.room.sale_id
    assert sale_file.rewards


def test_a_file_says_to_each_room_what_is_its_own(double11: str) -> None:
    sale_file = parse(double11)
    assert [item.sku for item in sale_file.sale.items] == ["phone-x", "earbuds-air"]
    assert sale_file.sale.opens_at == datetime(2027, 11, 10, 16, tzinfo=UTC)
    assert sale_file.room.rate_per_second == 200
    assert sale_file.sale.texts.keys() == {"zh-CN", "en"}
    points, coupon, cash = sale_file.rewards
    assert (points.kind, points.amount_minor, points.currency, points.budget_minor) == (
        "points",
        100,
        "PTS",
        30000,
    )
    assert (coupon.kind, coupon.amount_minor, coupon.currency, coupon.coupon_code) == (
        "coupon",
        1,
        "CPN",
        "NEXT-50",
    )
    assert (cash.kind, cash.amount_minor, cash.currency, cash.first_n) == ("cash", 888, "CNY", 100)


def test_a_coupon_code_is_not_shown_to_those_who_have_not_earned_it(double11: str) -> None:
    assert "NEXT-50" not in str(parse(double11).sale.shown_rules)


def test_a_moved_window_keeps_its_length_everywhere(double11: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    moved = parse(double11).opening_in(30, now)
    assert moved.sale.opens_at == moved.room.opens_at == now + timedelta(seconds=30)
    assert moved.sale.closes_at == moved.room.closes_at == now + timedelta(seconds=30, hours=1)


def _swap(old: str, new: str) -> Callable[[str], str]:
    return lambda text: _replaced(text, old, new)


def _replaced(text: str, old: str, new: str) -> str:
    assert old in text, old
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("spoil", "code", "field"),
    [
        (_swap("hold_seconds: 120", "hold_second: 120"), "unknown_field", "sale.hold_second"),
        (_swap("per_user_limit: 1", "limit_each: 1"), "unknown_field_listed", "items[0].limit_each"),
        (_swap("      subtitle: First", "      subtitel: First"), "unknown_field", "sale.texts.en.subtitel"),
        (_swap("points: 100", "point: 100"), "unknown_field", "rewards[0].point"),
        (_swap("  currency: CNY\n", ""), "missing", "sale.currency"),
        (_swap("      en: { title: Light-Sound earbuds Air, subtitle: Noise cancelling }\n", ""), "missing", "items[1].texts.en"),
        (_swap("kind: cash", "kind: gold"), "kind", "rewards[2].kind"),
        (_swap("    kind: cash\n", ""), "missing", "rewards[2].kind"),
        (_swap("currency: CNY", "currency: CYN"), "currency", "sale.currency"),
        (_swap("currency: CNY", "currency: PTS"), "currency", "sale.currency"),
        (_swap("00:00:00+08:00", "00:00:00"), "time_zone", "sale.opens_at"),
        (_swap("2027-11-11T00:00:00+08:00", "tomorrow"), "time", "sale.opens_at"),
        (_swap("2027-11-11T00:00:00+08:00", "2027-13-11T00:00:00+08:00"), "time", "sale.opens_at"),
        (_swap("2027-11-11T01:00:00", "2027-11-10T23:00:00"), "window", "sale.closes_at"),
        (_swap("2027-11-11T01:00:00", "2028-11-11T01:00:00"), "window_long", "sale.closes_at"),
        (_swap("hold_seconds: 120", "hold_seconds:"), "null", "sale.hold_seconds"),
        (_swap("hold_seconds: 120", "hold_seconds: 4"), "too_small", "sale.hold_seconds"),
        (_swap("hold_seconds: 120", "hold_seconds: 86401"), "too_big", "sale.hold_seconds"),
        (_swap("hold_seconds: 120", "hold_seconds: two minutes"), "not_integer", "sale.hold_seconds"),
        (_swap("hold_seconds: 120", "hold_seconds: true"), "not_integer", "sale.hold_seconds"),
        (_swap("hold_seconds: 120", "hold_seconds: 0x78"), "not_integer", "sale.hold_seconds"),
        (_swap("hold_seconds: 120", "hold_seconds: .nan"), "not_integer", "sale.hold_seconds"),
        (_swap("hold_seconds: 120", "hold_seconds: [120]"), "not_integer", "sale.hold_seconds"),
        (_swap("stock: 200", f"stock: {'9' * 5000}"), "not_integer", "items[0].stock"),
        (_swap("price_minor: 199900", "price_minor: 1999.00"), "not_integer", "items[0].price_minor"),
        (_swap("price_minor: 199900", "price_minor: 0"), "price_zero", "items[0].price_minor"),
        (_swap("price_minor: 199900", "price_minor: -5"), "too_small", "items[0].price_minor"),
        (_swap("stock: 200", "stock: 0"), "too_small", "items[0].stock"),
        (_swap("per_user_limit: 2", "per_user_limit: 101"), "limit_above_stock", "items[1].per_user_limit"),
        (_swap("sku: earbuds-air", "sku: phone-x"), "repeated", "items[1].sku"),
        (_swap("id: next-coupon", "id: thanks-points"), "repeated", "rewards[1].id"),
        (_swap("id: double11-2027", "id: Double 11"), "pattern", "sale.id"),
        (_swap("sku: phone-x", "sku: 12345"), "not_text", "items[0].sku"),
        (_swap("title: Double-11 midnight flash sale", f"title: {'x' * 81}"), "too_long", "sale.texts.en.title"),
        (_swap("title: Double-11 midnight flash sale", "title: ' '"), "too_short", "sale.texts.en.title"),
        (_swap("budget_points: 30000", "budget_points: 29999"), "budget", "rewards[0].budget_points"),
        (_swap("budget_coupons: 300", "budget_coupons: 299"), "budget", "rewards[1].budget_coupons"),
        (_swap("budget_minor: 88800", "budget_minor: 88799"), "budget", "rewards[2].budget_minor"),
        (_swap("per_user_limit: 1", "per_user_limit: 1\n    buckets: 65"), "too_big", "items[0].buckets"),
        (_swap("stock: 200", "stock: 20\n    buckets: 21"), "buckets_above_stock", "items[0].buckets"),
        (_swap("first_n: 100", "first_n: 301"), "first_above_stock", "rewards[2].first_n"),
        (_swap("coupon_code: NEXT-50", "coupon_code: ！"), "pattern", "rewards[1].coupon_code"),
        (_swap("hold_seconds: 120", "hold_seconds: 120\n  hold_seconds: 130"), "duplicate_key", "sale.hold_seconds"),
        (_swap("title: Double-11", 'title: "\\0"\n      title2: Double-11'), "unprintable", "sale.texts.en.title"),
        (_swap("title: Double-11", 'title: "\\uD800"\n      title2: Double-11'), "unprintable", "sale.texts.en.title"),
        (_swap("hold_seconds: 120", "hold_seconds: !!binary aGk="), "tag", "sale.hold_seconds"),
        (_swap("hold_seconds: 120", "? [a, b]\n  : 120"), "key_not_text", "sale"),
        (_swap("items:", "items: {}\nthings:"), "not_a_list", "items"),
        (_swap("admission:\n    rate_per_second: 200", "admission: 200"), "not_a_section", "sale.admission"),
        (lambda _: "", "empty", "(file)"),
        (lambda _: "# only a remark", "empty", "(file)"),
        (lambda _: "sale: [", "syntax", "(file)"),
        (lambda _: "sale: \x07", "syntax", "(file)"),
        (lambda _: "a: 1\n---\nb: 2", "syntax", "(file)"),
        (lambda _: "a: &x 1\nb: *x", "alias", "(file)"),
        (lambda _: "[" * 5000, "too_deep", "(file)"),
        (lambda _: "- 1\n- 2", "not_a_section", "(file)"),
        (lambda _: "just words", "not_a_section", "(file)"),
        (lambda _: "x" * (CHARACTERS_MAX + 1), "too_large", "(file)"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_field_and_its_mend(
    double11: str, spoil: Callable[[str], str], code: str, field: str
) -> None:
    found = {(problem.code, problem.field): problem for problem in _problems(spoil(double11))}
    assert (code, field) in found
    problem = found[code, field]
    for language in ("en", "zh-CN"):
        assert problem.wrong[language]
        assert problem.mend[language]
        assert str(problem.line) in problem.sentence(language)


def test_a_mistake_names_the_line_a_person_would_look_at(double11: str) -> None:
    lines = double11.splitlines()
    spoilt = double11.replace("stock: 100", "stock: lots").replace("    first_n: 100\n", "    frist_n: 100\n")
    assert [
        (lines[problem.line - 1].strip().split(":")[0], problem.field) for problem in _problems(spoilt)
    ] == [("stock", "items[1].stock"), ("first_n", "rewards[2].frist_n")]


def test_a_misspelt_field_is_one_mistake_not_two(double11: str) -> None:
    problems = _problems(double11.replace("hold_seconds:", "hold_secnds:"))
    assert [problem.code for problem in problems] == ["unknown_field"]
    assert problems[0].mend["en"] == "Did you mean hold_seconds"


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines(double11: str) -> None:
    spoilt = (
        double11.replace("stock: 200", "stock: x")
        .replace("CNY", "RMB")
        .replace("points: 100\n", "points: 0\n")
    )
    lines = [problem.line for problem in _problems(spoilt)]
    assert len(lines) == 3
    assert lines == sorted(lines)


def test_a_billion_laughs_cost_nothing() -> None:
    laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{after}: &{after} [{','.join([f'*{before}'] * 9)}]\n"
        for before, after in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert _problems(laughs)[0].code == "alias"


@settings(max_examples=200, deadline=None)
@given(some.text(max_size=300))
def test_no_text_at_all_is_answered_with_anything_but_problems(text: str) -> None:
    with pytest.raises(SaleFileInvalid) as refused:
        parse(text)
    assert refused.value.problems


@settings(max_examples=200, deadline=None)
@given(
    place=some.integers(0, 2500), cut=some.integers(0, 40), insert=some.sampled_from(["", ":", "- ", "\t", "{", "'", "0"])
)  # fmt: skip
def test_a_file_with_any_damage_is_read_or_refused_never_a_crash(place: int, cut: int, insert: str) -> None:
    text = (EXAMPLES / "double11.yaml").read_text(encoding="utf-8")
    damaged = text[:place] + insert + text[place + cut :]
    try:
        parse(damaged)
    except SaleFileInvalid as refused:
        assert all(problem.sentence("en") and problem.sentence("zh-CN") for problem in refused.problems)


def test_every_message_says_both_halves_in_both_languages() -> None:
    for code, message in MESSAGES.items():
        assert all(message), code


def _problems(text: str) -> tuple[SaleFileProblem, ...]:
    with pytest.raises(SaleFileInvalid) as refused:
        parse(text)
    return refused.value.problems
