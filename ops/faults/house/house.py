"""The real processes over one set of servers, started once and shared by rows and seeds.

They are started directly and not under supervisord: a row must say itself when a process comes back, and with which
environment. What a row has killed or changed is put right before the next.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kit.embedded import ServerUrls
from kit.embedded.ports import free_ports_in_a_row
from kit.errors import StartRefused
from ops.faults.matrix import Ground
from ops.migrate import migrate
from ops.run.plan import Ports, RunPlan
from ops.run.programs import PROGRAMS, Program, shared_environment
from ops.run.supervision import end_leftovers, marked
from ops.run.system import READY_SECONDS_MAX, is_ready

POLL_SECONDS: Final = 0.05
END_SECONDS_MAX: Final = 25.0  # a worker finishes what it has begun within 15
PORTS: Final = 16  # three doors, a second gateway's, and a probe for each of twelve places
SKEWED: Final = "ops.faults.house.skewed"

# The two extra ones are there for the rows that ask for them.
HOUSE: Final = tuple(each for each in PROGRAMS if each.name != "console")
EXTRAS: Final = (Program("gateway-2", "gateway", 6), Program("worker-2", "ops.worker", 7))
_EXTRA: Final = frozenset(program.name for program in EXTRAS)
GATEWAYS: Final = ("gateway", "gateway-2")
KEEPERS: Final = ("keeper-1", "keeper-2")


@dataclass(slots=True)
class _Running:
    process: "subprocess.Popen[bytes]"
    changed: Mapping[str, str]
    paused: bool = False


class House:
    """Starts, kills, pauses and asks the processes. Nothing here belongs to an event loop."""

    def __init__(self, ground: Ground, folder: Path) -> None:
        first = free_ports_in_a_row(PORTS)
        ports = Ports(
            gateway_host="127.0.0.1",
            gateway_port=first,
            console_port=first + 1,
            simulator_port=first + 2,
            run_health_port_base=first + 4,
        )
        self.plan = RunPlan(
            folder=folder,
            crowd=0,
            once=True,
            kill=(),
            kill_after_seconds=0.0,
            faults=False,
            seed=ground.seed,
            sale_file=folder,
            ports=ports,
        )
        redis = ground.redis_url
        self.urls = ServerUrls(ground.database_url, redis, redis, redis, ground.broker_url)
        self.environment: dict[str, str] = {}
        self._second_gateway_port = first + 3
        self._programs = {program.name: program for program in (*HOUSE, *EXTRAS)}
        self._running: dict[str, _Running] = {}

    async def open(self) -> None:
        """Starts everybody and waits until they take traffic. Raises `StartRefused`."""
        await asyncio.to_thread(self._prepare)
        await self.put_right()

    def close(self) -> None:
        """Ends everybody, bounded; what does not end is killed, by pid."""
        for running in self._running.values():
            if running.paused:
                running.process.send_signal(signal.SIGCONT)
            running.process.terminate()
        deadline = time.monotonic() + END_SECONDS_MAX
        for running in self._running.values():
            try:
                running.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()
        self._running.clear()

    def gateway_url(self, name: str = "gateway") -> str:
        if name == "gateway":
            return self.plan.gateway_url
        return f"http://127.0.0.1:{self._second_gateway_port}"

    async def put_right(self, extras: Sequence[str] = ()) -> None:
        """Whoever is missing, paused or other than planned is started as planned; of the extra ones, `extras` alone."""
        for name, running in list(self._running.items()):
            if running.paused:
                self.resume(name)
            unwanted = name in _EXTRA and name not in extras
            if (running.changed or unwanted) and running.process.poll() is None:
                self.kill(name)
        wanted = [*(program.name for program in HOUSE), *extras]
        for name in wanted:
            if not self.lives(name):
                self.begin(name)
        for name in wanted:
            await self.until_ready(name)

    def begin(
        self, name: str, changed: Mapping[str, str] | None = None, *, skew_file: Path | None = None
    ) -> int:
        """Starts a process; its pid. `changed` is what its environment has that others have not.

        With a `skew_file` its clocks are off by the seconds that stand in it.
        """
        program, changed = self._programs[name], dict(changed or {})
        command = [sys.executable, "-m", program.module]
        if skew_file is not None:
            command = [sys.executable, "-m", SKEWED, program.module, str(skew_file)]
            changed["SKEWED"] = str(skew_file)
        environment = {
            **os.environ,
            **self.environment,
            "HEALTH_PORT": str(self.plan.ports.health(program.place)),
            **program.environment,
            **({"GATEWAY_PORT": str(self._second_gateway_port)} if name == "gateway-2" else {}),
            **changed,
        }
        with (self.plan.logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running[name] = _Running(process, changed)
        return process.pid

    def lives(self, name: str) -> bool:
        return name in self._running and self._running[name].process.poll() is None

    def pid(self, name: str) -> int:
        """0 while it does not run."""
        return self._running[name].process.pid if self.lives(name) else 0

    def ready(self, name: str) -> bool:
        return self.lives(name) and is_ready(self.plan, self._programs[name])

    async def until_ready(self, name: str) -> None:
        """Returns once it takes traffic. Raises `StartRefused` when it has ended or never does."""
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not await asyncio.to_thread(self.ready, name):
            if not self.lives(name) or time.monotonic() > deadline:
                raise StartRefused(f"{name} does not start; its log is {self.plan.logs / f'{name}.log'}")
            await asyncio.sleep(POLL_SECONDS)

    def kill(self, name: str) -> int:
        """SIGKILL, and its pid, which is gone when this returns."""
        process = self._running[name].process
        process.kill()
        process.wait()
        return process.pid

    async def again(
        self, name: str, changed: Mapping[str, str] | None = None, *, skew_file: Path | None = None
    ) -> int:
        """Like `begin`, and waits until it takes traffic."""
        pid = self.begin(name, changed, skew_file=skew_file)
        await self.until_ready(name)
        return pid

    def tell_to_end(self, name: str) -> int:
        """SIGTERM; its pid."""
        process = self._running[name].process
        process.terminate()
        return process.pid

    async def ended(self, name: str, seconds_max: float = END_SECONDS_MAX) -> int | None:
        """The exit code of a process that was told to end, None when it has not ended by then."""
        with suppress(subprocess.TimeoutExpired):
            return await asyncio.to_thread(self._running[name].process.wait, seconds_max)
        return None

    def pause(self, name: str) -> int:
        """SIGSTOP; its pid."""
        running = self._running[name]
        running.process.send_signal(signal.SIGSTOP)
        running.paused = True
        return running.process.pid

    def resume(self, name: str) -> None:
        """SIGCONT."""
        running = self._running[name]
        running.process.send_signal(signal.SIGCONT)
        running.paused = False

    def metric(self, name: str, sample: str) -> float:
        """The sum of a process's samples that begin with `sample`; 0 where it does not answer."""
        url = f"http://127.0.0.1:{self.plan.ports.health(self._programs[name].place)}/metrics"
        with suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
            lines = answer.read().decode().splitlines()
            return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample))
        return 0.0

    def _prepare(self) -> None:
        self.plan.logs.mkdir(parents=True, exist_ok=True)
        if marked(self.plan.folder):
            end_leftovers(self.plan.folder)
        migrate(self.urls.database)
        self.environment = shared_environment(self.plan, self.urls.as_environment())
        Path(self.environment["SIMULATOR_BOOK"]).parent.mkdir(parents=True, exist_ok=True)
