"""Nobody can choose an address that limits him; nobody pays for another's; the unknown are not all one."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clients import HOPS_MAX, Trusted, bucket_of, client_address
from kit.errors import StartRefused

PROXIES = "10.0.0.0/8,192.168.1.7/32,fd00::/8"
BY_FOR = Trusted.parse(PROXIES, variable="X")
BY_FORWARDED = Trusted.parse(PROXIES, header="forwarded", variable="X")
PROXY = ("10.0.0.1", 40001)


def asked(*values: str, name: str = "x-forwarded-for") -> list[tuple[bytes, bytes]]:
    return [(b"host", b"shop"), *((name.encode(), value.encode("latin-1")) for value in values)]


def forwarded(*values: str) -> list[tuple[bytes, bytes]]:
    return asked(*values, name="forwarded")


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        (asked("203.0.113.9"), "203.0.113.9"),
        (asked("203.0.113.9, 10.1.1.1"), "203.0.113.9"),
        (asked("203.0.113.9,10.1.1.1,192.168.1.7"), "203.0.113.9"),
        (
            asked("6.6.6.6, 203.0.113.9, 10.1.1.1"),
            "203.0.113.9",
        ),  # what the caller invented stands further left
        (asked("10.9.9.9, 203.0.113.9"), "203.0.113.9"),  # even when it looks like one of us
        (asked("garbage, 203.0.113.9"), "203.0.113.9"),
        (asked("203.0.113.9", "10.1.1.1"), "203.0.113.9"),  # two lines are one list
        (asked("10.2.2.2, 10.1.1.1"), "10.2.2.2"),  # somebody inside
        (asked("203.0.113.9:51000"), "203.0.113.9"),
        (asked("2001:DB8:0:0::1"), "2001:db8::1"),
        (asked("[2001:db8::1]:443"), "2001:db8::1"),
        (asked("[2001:db8::1]"), "2001:db8::1"),
        (asked("fe80::1%eth0"), "fe80::1"),
        (asked("::ffff:203.0.113.9"), "203.0.113.9"),
        (asked("203.0.113.9, ::ffff:10.1.1.1, fd00::5"), "203.0.113.9"),
        (asked("  203.0.113.9  "), "203.0.113.9"),
        (asked(), "10.0.0.1"),
        (asked(""), "10.0.0.1"),
    ],
)
def test_the_list_is_read_from_the_right_through_those_who_are_trusted(
    headers: Iterable[tuple[bytes, bytes]], address: str
) -> None:
    assert client_address(PROXY, headers, BY_FOR) == address


@pytest.mark.parametrize(
    "value",
    [
        "unknown",
        "203.0.113.9,",
        ",",
        "203.0.113.999",
        "1.2.3",
        "[::1",
        "[::1]x",
        "1.2.3.4:http",
        "a" * 3000,
        "é",
    ],
)
def test_who_cannot_be_known_has_a_name_of_its_own(value: str) -> None:
    names = {client_address(("10.0.0.1", port), asked(value), BY_FOR) for port in (1, 2)}
    assert names == {"unknown:10.0.0.1:1", "unknown:10.0.0.1:2"}


def test_an_unknown_hop_hides_whatever_stands_left_of_it() -> None:
    assert client_address(PROXY, asked("6.6.6.6, unknown, 10.1.1.1"), BY_FOR) == "unknown:10.0.0.1:40001"


def test_a_caller_that_is_no_proxy_is_not_believed() -> None:
    headers = asked("1.1.1.1") + forwarded("for=1.1.1.1")
    for trusted in (BY_FOR, BY_FORWARDED):
        assert client_address(("203.0.113.9", 1), headers, trusted) == "203.0.113.9"


def test_without_proxies_no_header_is_read() -> None:
    assert client_address(PROXY, asked("1.1.1.1")) == "10.0.0.1"
    assert client_address(("::ffff:203.0.113.9", 1), ()) == "203.0.113.9"
    assert client_address(None, ()) == "unknown::0"
    assert client_address(("/run/socket", 0), ()) == "unknown:/run/socket:0"


def test_only_the_header_that_the_proxies_write_is_read() -> None:
    assert client_address(PROXY, asked("203.0.113.9") + forwarded("for=6.6.6.6"), BY_FOR) == "203.0.113.9"
    assert (
        client_address(PROXY, asked("6.6.6.6") + forwarded("for=203.0.113.9"), BY_FORWARDED) == "203.0.113.9"
    )


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("for=203.0.113.9", "203.0.113.9"),
        ("For=203.0.113.9;proto=https;by=10.0.0.1", "203.0.113.9"),
        ("proto=https; for=203.0.113.9", "203.0.113.9"),
        ('for="203.0.113.9:4711"', "203.0.113.9"),
        ('for="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"),
        ('for="[2001:db8:cafe::17]"', "2001:db8:cafe::17"),
        ("for=6.6.6.6, for=203.0.113.9, for=10.1.1.1", "203.0.113.9"),
        (r'for="203.0.113\.9"', "203.0.113.9"),
        ("for=_gazonk", "hidden:_gazonk"),
        ('for="_SEVKISEK, x"', "unknown:10.0.0.1:40001"),
        ('for="a,for=6.6.6.6"', "unknown:10.0.0.1:40001"),  # a comma in a string parts nothing
        ("for=unknown", "unknown:10.0.0.1:40001"),
        ("by=10.0.0.1", "unknown:10.0.0.1:40001"),
        ("for=203.0.113.9, by=10.0.0.1", "unknown:10.0.0.1:40001"),
        ("xfor=6.6.6.6", "unknown:10.0.0.1:40001"),
        ('by="x;for=6.6.6.6"', "unknown:10.0.0.1:40001"),
    ],
)
def test_rfc_7239_is_read_the_same_way(value: str, address: str) -> None:
    assert client_address(PROXY, forwarded(value), BY_FORWARDED) == address


@pytest.mark.parametrize(
    "invented", ['for="', 'for="a, for="', '"', 'for="\\', 'for="6.6.6.6', ",", 'for="6.6.6.6";by="']
)
def test_a_quote_that_a_caller_left_open_swallows_nothing(invented: str) -> None:
    told = forwarded(f'{invented}, for="[2001:db8::1]:80";proto=https, for=10.1.1.1')
    assert client_address(PROXY, told, BY_FORWARDED) == "2001:db8::1"


def test_a_list_without_end_is_read_at_its_right_end_only() -> None:
    spoofed = ", ".join(["6.6.6.6"] * 10_000)
    assert client_address(PROXY, asked(f"{spoofed}, 203.0.113.9, 10.1.1.1"), BY_FOR) == "203.0.113.9"
    inside = ", ".join(["10.1.1.1"] * 3 * HOPS_MAX)
    assert client_address(PROXY, asked(f"203.0.113.9, {inside}"), BY_FOR) == "10.1.1.1"


@given(
    st.lists(
        st.sampled_from(["6.6.6.6", "unknown", "10.1.1.1", "fd00::1", "_x", "", "é", "a:b:c"]), max_size=8
    )
)
def test_whatever_a_caller_writes_before_its_proxy_speaks_changes_nothing(invented: list[str]) -> None:
    told = ", ".join([*invented, "203.0.113.9", "10.1.1.1"])
    assert client_address(PROXY, asked(told), BY_FOR) == "203.0.113.9"


@given(st.binary(max_size=200))
def test_no_bytes_are_a_failure(raw: bytes) -> None:
    for trusted, name in ((BY_FOR, b"x-forwarded-for"), (BY_FORWARDED, b"forwarded")):
        assert client_address(PROXY, [(name, raw)], trusted)


@pytest.mark.parametrize(
    ("address", "bucket"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("fe80::1", "fe80::/64"),
        ("unknown:10.0.0.1:40001", "unknown:10.0.0.1:40001"),
        ("hidden:_x", "hidden:_x"),
    ],
)
def test_an_ipv6_caller_is_its_network(address: str, bucket: str) -> None:
    assert bucket_of(address) == bucket


@pytest.mark.parametrize("text", ["10.0.0.1/8", "everybody", "0.0.0.0/0", "::/0", "10.0.0.0/8;fd00::/8"])
def test_proxies_that_cannot_be_meant_are_told_at_the_start(text: str) -> None:
    with pytest.raises(StartRefused, match="GATEWAY_TRUSTED_PROXIES"):
        Trusted.parse(text, variable="GATEWAY_TRUSTED_PROXIES")
