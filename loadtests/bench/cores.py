"""Which core does what, and who used it how much: a rate says little without the core-seconds that it cost."""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

TICKS: Final = os.sysconf("SC_CLK_TCK")
CORES_MIN: Final = 2


class TooFewCores(Exception):
    """One core cannot hold a server and its load apart."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The server under test has a core to itself; load and stores share what is left, each its own where there is one."""

    server: int
    load: int
    stores: frozenset[int]
    second: int | None  # for a second gateway process, where there are cores enough

    @classmethod
    def of(cls, cores: Iterable[int]) -> "Layout":
        """Raises `TooFewCores`."""
        free = sorted(cores)
        if len(free) < CORES_MIN:
            raise TooFewCores(
                "A side-by-side measurement needs two cores: one for the server, one for the load."
            )
        server, load, *rest = free
        if len(rest) >= 3:
            return cls(server, load, frozenset(rest[1:]), rest[0])
        return cls(server, load, frozenset(rest or [load]), None)

    def told(self) -> str:
        stores = ", ".join(map(str, sorted(self.stores)))
        return (
            f"server on core {self.server}, load on core {self.load}, Redis and PostgreSQL on core {stores}"
        )


@dataclass(frozen=True, slots=True)
class CoreTime:
    """Seconds that a core has spent since boot."""

    busy: float
    kernel: float
    idle: float


def core_time(core: int) -> CoreTime:
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *numbers = line.split()
        if name == f"cpu{core}":
            user, nice, system, idle, wait, irq, soft = (int(each) / TICKS for each in numbers[:7])
            return CoreTime(user + nice + system + irq + soft, system + irq + soft, idle + wait)
    raise ValueError(f"no core {core}")


def cpu_seconds(pid: int) -> float:
    """Processor time of all threads of a process, by the scheduler's own count; 0 for one that is gone."""
    total = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(task.read_text(encoding="ascii").split()[0])
        except (OSError, IndexError):
            continue
    return total / 1e9


def reaped_seconds(pid: int) -> float:
    """Processor time of the children that have ended: PostgreSQL's backends go with their connections."""
    try:
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return 0.0
    return (int(fields[13]) + int(fields[14])) / TICKS


def families(pids: Iterable[int]) -> dict[int, list[int]]:
    """Each process with all below it, in one look at the system."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found = {}
    for pid in pids:
        found[pid] = [pid]
        for each in found[pid]:
            found[pid].extend(children.get(each, ()))
    return found


def resident_bytes(pid: int) -> int:
    """Memory of a process that is its own or its share of what is shared (PSS)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


@dataclass(frozen=True, slots=True)
class Usage:
    """What a window cost: how full the two cores were, and processor seconds by who used them."""

    seconds: float
    server_busy: float
    server_kernel: float
    load_busy: float
    by_who: Mapping[str, float]

    def as_facts(self) -> dict[str, object]:
        return {
            "server_core_busy": round(self.server_busy, 3),
            "server_core_kernel": round(self.server_kernel, 3),
            "load_core_busy": round(self.load_busy, 3),
            "cpu_seconds": {who: round(seconds, 3) for who, seconds in self.by_who.items()},
        }


@dataclass(slots=True)
class Meter:
    """Reads the counters at both ends of a window. `pids` by who they are; families are looked up at each end."""

    layout: Layout
    pids: Mapping[str, int]
    _marks: list[tuple[float, CoreTime, CoreTime, dict[str, float]]] = field(default_factory=list)

    def mark(self) -> None:
        below = families(self.pids.values())
        # Everything is a child of this process, and only its own time is the client's.
        below[os.getpid()] = [os.getpid()]
        used = {
            who: sum(map(cpu_seconds, below[pid])) + (reaped_seconds(pid) if pid != os.getpid() else 0.0)
            for who, pid in self.pids.items()
        }
        server, load = core_time(self.layout.server), core_time(self.layout.load)
        self._marks.append((time.perf_counter(), server, load, used))

    def usage(self) -> Usage:
        (began, server0, load0, used0), (ended, server1, load1, used1) = self._marks[-2:]
        seconds = max(ended - began, 1 / TICKS)
        return Usage(
            seconds,
            min(1.0, (server1.busy - server0.busy) / seconds),
            min(1.0, (server1.kernel - server0.kernel) / seconds),
            min(1.0, (load1.busy - load0.busy) / seconds),
            {who: used1[who] - used0[who] for who in used1},
        )
