"""The rules of stock in buckets: a home for everybody, totals that add up, loans that cover and invent nothing."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as some

from flashsale.lending import EVEN_FROM_UNITS, Loan, judge_need, plan_loans
from flashsale.rules import home_bucket, spread

free_units = some.dictionaries(some.integers(0, 63), some.integers(0, 500), min_size=1, max_size=12)
quantities = some.lists(some.integers(1, 9), min_size=1, max_size=20)


def test_a_user_has_the_same_home_in_every_process_and_users_spread_evenly() -> None:
    assert [home_bucket(user, 8) for user in ("ada", "bob", "13800008000")] == [0, 0, 4]
    homes = Counter(home_bucket(f"user{n}", 8) for n in range(8000))
    assert homes.keys() == set(range(8))
    assert max(homes.values()) < 1.2 * min(homes.values())
    assert home_bucket("ada", 1) == 0


@given(some.lists(some.integers(0, 50), min_size=1, max_size=64), some.integers(0, 1000))
def test_totals_spread_over_buckets_add_up_and_cover_what_is_taken(taken: list[int], free: int) -> None:
    totals = spread(sum(taken) + free, taken)
    left = [total - gone for total, gone in zip(totals, taken, strict=True)]
    assert sum(left) == free
    assert max(left) - min(left) <= 1
    assert min(left) >= 0


@given(some.integers(0, 63), quantities, free_units)
def test_loans_cover_the_need_or_take_all_there_is_and_nobody_lends_more_than_it_has(
    home: int, asked: list[int], free: dict[int, int]
) -> None:
    loans = plan_loans(home, asked, free)
    assert all(0 < loan.units <= free[loan.lender] and loan.lender != home for loan in loans)
    assert len({loan.lender for loan in loans}) == len(loans)
    short = sum(asked) - free.get(home, 0)
    others = sum(units for bucket, units in free.items() if bucket != home)
    assert sum(loan.units for loan in loans) >= max(0, min(short, others))


@given(some.integers(0, 63), quantities, free_units)
def test_an_item_is_gone_only_when_all_buckets_together_cannot_serve_the_smallest_wish(
    home: int, asked: list[int], free: dict[int, int]
) -> None:
    need = judge_need(home, asked, free)
    assert (need == "gone") == (sum(free.values()) < min(asked))
    assert (need == "elsewhere") == bool(need != "gone" and plan_loans(home, asked, free))


def test_of_plenty_half_of_the_rest_comes_along_and_of_little_not_a_unit_more_than_asked() -> None:
    assert plan_loans(0, [1], {0: 0, 1: 1001, 2: 5}) == [Loan(1, 501)]
    assert plan_loans(0, [1, 1], {0: 1, 1: EVEN_FROM_UNITS, 2: 5}) == [Loan(1, 1)]
    assert plan_loans(0, [9], {0: 1, 1: 4, 2: 5}) == [Loan(2, 5), Loan(1, 3)]
