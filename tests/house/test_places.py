"""The repository speaks of itself alone: no address of a package registry, no path of somebody's machine.

The story: a lock file that names the mirror it was made from installs nowhere else, and a path under somebody's home
works on one machine in the world. Requirements are pinned by hash; paths are relative to the file or given as settings.
The way out: `make pins` writes requirements without addresses; take the folder as an argument or from a setting.
"""

import re
from collections.abc import Iterable
from typing import Final

from tests.house.tree import Source, everything, sample

# Spelled apart, because this file is read by its own rule.
REGISTRIES: Final = tuple(
    "".join(parts)
    for parts in (
        ("pypi", ".org"),
        ("pythonhosted", ".org"),
        ("npmjs", ".org"),
        ("npmjs", ".com"),
        ("npm", "mirror.com"),
        ("crates", ".io"),
        ("rubygems", ".org"),
        ("anaconda", ".org"),
        ("proxy.golang", ".org"),
        ("tuna.tsinghua", ".edu"),
        ("mirrors.aliyun", ".com"),
        ("deb.debian", ".org"),
    )
)
WORKPLACES: Final = re.compile(
    r"(?<![\w.$}])/(" + "|".join(("wo" + "rk", "ro" + "ot", "ho" + "me")) + r")/|/tmp/" + r"w\b"
)


def foreign_places(sources: Iterable[Source]) -> list[str]:
    found = []
    for source in sources:
        for number, line in enumerate(source.lines, start=1):
            if any(host in line for host in REGISTRIES):
                found.append(
                    f"{source.path}:{number} names the host of a package registry: pin by hash instead"
                )
            if WORKPLACES.search(line):
                found.append(f"{source.path}:{number} names a path of one machine: take it as a setting")
    return found


def test_no_place_of_ours_is_in_the_repository() -> None:
    found = foreign_places(everything())
    assert not found, "\n".join(found)


def test_the_rule_sees_registries_and_workplaces() -> None:
    for line in (
        "--index-url " + REGISTRIES[0] + "/simple",
        "FOLDER = '/wo" + "rk/main'",
        "cd /ro" + "ot/floodgate",
        "cat /tmp/" + "w/notes",
    ):
        assert foreign_places(sample(line)), line


def test_the_rule_lets_other_slashes_be() -> None:
    assert not foreign_places(
        sample("the network/wo" + "rk/life balance, /tmp/www, /workspace/, $HOME/work/")
    )
