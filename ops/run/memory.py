"""How much memory a run takes: the proportional set size (PSS) of its processes, so that shared pages count once."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

SAMPLE_SECONDS: Final = 2.0  # reading sixty processes takes about 30 ms
KIB: Final = 1024
PAGE_BYTES: Final = 4096


class MemoryWatch:
    """Samples until cancelled; keeps the largest value of every process and of all together."""

    def __init__(self, roots: Callable[[], Mapping[str, int]]) -> None:
        self._roots = roots
        self.peaks: dict[str, int] = {}
        self.peak_total = 0

    async def run(self) -> None:
        while True:
            await asyncio.to_thread(self.sample)
            await asyncio.sleep(SAMPLE_SECONDS)

    def sample(self) -> None:
        """One look: each name's process with all its children but those that have a name of their own."""
        roots = {name: pid for name, pid in self._roots().items() if pid}
        children = _children()
        named = set(roots.values())
        sizes = {
            name: sum(pss_bytes(each) for each in _tree(pid, children, named - {pid}))
            for name, pid in roots.items()
        }
        for name, size in sizes.items():
            self.peaks[name] = max(self.peaks.get(name, 0), size)
        self.peak_total = max(self.peak_total, sum(sizes.values()))


def pss_bytes(pid: int) -> int:
    """The proportional set size of a process; its resident size where that may not be read, 0 when it is gone."""
    folder = Path(f"/proc/{pid}")
    try:
        for line in (folder / "smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * KIB
    except (OSError, ValueError):
        pass
    try:
        return int((folder / "statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        found.setdefault(parent, []).append(int(stat.parent.name))
    return found


def _tree(root: int, children: Mapping[int, list[int]], without: set[int]) -> Iterable[int]:
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting.extend(child for child in children.get(pid, ()) if child not in without)
