"""Whose request it is, as an address, behind proxies that are trusted and proxies that are not.

A forwarding header is a list to which every hop appends, on the right, who spoke to it; whatever stood there before may
be invented. So it is read from the right, through the networks that are trusted, to the first address that is not: that
is the last one that somebody trusted has seen with its own eyes. Only one header is read, the one that the proxies
write: the other would come from the caller untouched.

Who cannot be known gets a name of its own, by its connection: one bucket for all the unknown would let one of them shut
out the rest.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import islice
from typing import Final, Literal

from kit.errors import StartRefused

HOPS_MAX: Final = 16  # a CDN, a balancer, an ingress, a mesh: four; the rest is not ours
HEADER_CHARACTERS_MAX: Final = 1024  # its right end is read, where the trusted hops stand
KNOWN_MAX: Final = 8192  # parsing costs 10 µs; the same caller comes again
IPV6_PREFIX: Final = 64  # what one household or phone is given; it may use every address in it

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
ForwardingHeader = Literal["x-forwarded-for", "forwarded"]

# `for=` of an element of RFC 7239: a token, or a quoted string, in which a backslash quotes the next character.
_FOR: Final = re.compile(
    r"""(?:^|;)\s*for\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))\s*(?=;|$)""", re.IGNORECASE
)
# An element, read backwards: a quote that a caller left open must not swallow what the proxies wrote after it.
_ELEMENT_BACKWARDS: Final = re.compile(r"""(?:[^,"]|"[^"]*")+""")
_OBFUSCATED: Final = re.compile(r"_[A-Za-z0-9._-]{1,64}\Z")


@dataclass(
    frozen=True, slots=True, eq=False
)  # found in caches by identity: comparing networks costs a microsecond
class Trusted:
    """The networks whose word counts, and the header that they write it into. One a process."""

    networks: tuple[Network, ...] = ()
    header: ForwardingHeader = "x-forwarded-for"

    @classmethod
    def parse(cls, text: str, *, header: ForwardingHeader = "x-forwarded-for", variable: str) -> "Trusted":
        """`10.0.0.0/8,fd00::/8`. Raises `StartRefused`."""
        try:
            networks = tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
        except ValueError as error:
            raise StartRefused(
                f"{variable} must list networks such as 10.0.0.0/8,fd00::/8: {error}."
            ) from error
        if any(network.prefixlen == 0 for network in networks):
            raise StartRefused(
                f"{variable} must not trust everybody: callers would choose their own address."
            )
        return cls(networks, header)

    def holds(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self.networks)


NOBODY: Final = Trusted()


def client_address(
    peer: tuple[str, int] | None, headers: Iterable[tuple[bytes, bytes]], trusted: Trusted = NOBODY
) -> str:
    """The caller's address; `unknown:…` or `hidden:…` with a name of its own where that cannot be told.

    `peer` is who has connected; `headers` are lower-case pairs, in the order of their coming.
    """
    host, port = peer if peer is not None else ("", 0)
    if not trusted.networks:
        return _direct(host, port)
    name = trusted.header.encode()
    lines = [value for key, value in headers if key == name]
    told = b",".join(lines)[-HEADER_CHARACTERS_MAX:].decode("latin-1") if lines else ""
    found = _walked(host, told, trusted)
    return f"unknown:{host}:{port}" if found is None else found


def bucket_of(address: str) -> str:
    """What one caller cannot easily change: the address, but of an IPv6 address its network of 64 bits."""
    if ":" not in address or address[0] not in "0123456789abcdef:":
        return address
    try:
        return str(ip_network((address, IPV6_PREFIX), strict=False))
    except ValueError:
        return address


@lru_cache(maxsize=KNOWN_MAX)
def _direct(host: str, port: int) -> str:
    address = _address(host)
    return f"unknown:{host}:{port}" if address is None else str(address)


@lru_cache(maxsize=KNOWN_MAX)
def _walked(host: str, told: str, trusted: Trusted) -> str | None:
    """The last hop that is not trusted; None where somebody trusted said that it does not know."""
    address = _address(host)
    if address is None:
        return None
    for hop in _hops_from_the_right(told, trusted.header):
        if not trusted.holds(address):
            break
        if _OBFUSCATED.match(hop):
            return f"hidden:{hop}"
        before = _address(hop)
        if before is None:
            return None
        address = before
    return str(address)


def _hops_from_the_right(told: str, header: ForwardingHeader) -> list[str]:
    if not told.strip():
        return []
    if header == "x-forwarded-for":
        return [hop.strip() for hop in told.split(",")][: -HOPS_MAX - 1 : -1]
    elements = islice(_ELEMENT_BACKWARDS.finditer(told[::-1]), HOPS_MAX)
    return [_for_of(element[0][::-1]) for element in elements]


def _for_of(element: str) -> str:
    """The caller that an element of `Forwarded` names; empty where it names none, which is not to know."""
    found = _FOR.search(element.strip())
    if found is None:
        return ""
    quoted, plain = found.groups()
    return re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain


def _address(text: str) -> Address | None:
    """An address, with or without port and brackets; an IPv4 address in IPv6 clothes is itself."""
    text = text.strip()
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or (port and not _is_port(port[1:])) or (port and port[0] != ":"):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _is_port(port):
            return None
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5
