"""Everything that a bench measures, started when first asked for and ended together."""

import os
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import msgspec

from loadtests.bench import servers
from loadtests.bench.client.once import ask
from loadtests.bench.cores import Layout
from loadtests.bench.launch import DoesNotStart, running
from loadtests.bench.mints import Mint
from loadtests.bench.missing import missing
from loadtests.bench.options import Options
from loadtests.bench.requests import Shoppers, get
from loadtests.bench.sales import Sales, apply, migrate
from loadtests.bench.servers import Served
from loadtests.bench.stores import Stores, stores

LOADED_SECONDS_MAX: Final = (
    180.0  # a keeper loads rooms and stock within a few seconds, where others use the machine too, in more
)
POLL_SECONDS: Final = 0.1
LIMIT_US: Final = 200_000  # five requests a second, as the gateway limits a shopper by default


@dataclass(frozen=True, slots=True)
class Up:
    """A server that answers."""

    port: int
    pid: int


class Scene:
    """A context; inside it the stores are up, the sales are open and servers start as they are asked for."""

    def __init__(self, options: Options, layout: Layout, say: Callable[[str], None]) -> None:
        self.options, self.layout, self._say = options, layout, say
        self.missing = missing()
        self.mint = Mint(secrets.token_hex(32), secrets.token_hex(32))
        self.shoppers = Shoppers(self.mint)
        self.sales = Sales()
        self.logs = options.folder / "logs"
        self._stack = ExitStack()
        self._up: dict[str, Up] = {}

    def __enter__(self) -> Self:
        with self._stack:
            self._open()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self) -> None:
        folder = self.options.folder
        folder.mkdir(parents=True, exist_ok=True)
        self._say("starting PostgreSQL and Redis")
        self.stores: Stores = self._stack.enter_context(stores(folder / "servers", self.layout))
        self.environment = servers.environment(self.stores, self.mint)
        self._say("making tables and sales")
        migrate(self.environment)
        apply(self.sales, folder, self.environment)
        with running(servers.keeper(self.layout.load, self.environment).program, self.logs):
            self._say("waiting until the stock is loaded")
            gateway = self.gateway()
            for sale_id in (self.sales.hot, self.sales.shown, self.sales.sold_out, self.sales.steps):
                self.wait_for(gateway, sale_id, is_loaded)
        # Its rounds are no duty of the door, and some of them read everything that was ever sold.

    def start(self, name: str, make: Callable[[], Served]) -> Up:
        """The server of that name, started the first time. Raises `DoesNotStart`."""
        if name not in self._up:
            self._say(f"starting {name}")
            served = make()
            process = self._stack.enter_context(running(served.program, self.logs))
            self._up[name] = Up(served.port, process.pid)
        return self._up[name]

    def gateway(self, name: str = "gateway", core: int | None = None) -> Up:
        where = self.layout.server if core is None else core
        return self.start(name, lambda: servers.gateway(name, where, self.environment))

    def unwritten(self, name: str = "unwritten", core: int | None = None) -> Up:
        where = self.layout.server if core is None else core
        return self.start(name, lambda: servers.unwritten_gateway(name, where, self.environment))

    def empty(self) -> Up:
        return self.start("empty", lambda: servers.empty(self.layout.server))

    def constant(self) -> Up:
        return self.start("constant", lambda: servers.constant(self.layout.server))

    def classic(self) -> Up:
        return self.start(
            "classic",
            lambda: servers.classic(self.layout.server, self.environment, limited=self.limit_us > 0),
        )

    def nginx(self) -> Up:
        def make() -> Served:
            document = ask(self.gateway().port, get(queue_path(self.sales.shown))).body.decode()
            return servers.nginx(
                self.layout.server,
                self.options.folder / "nginx",
                self.stores,
                self.mint,
                document=document,
                limit_us=self.limit_us,
            )

        return self.start("nginx", make)

    @property
    def store_pids(self) -> Mapping[str, int]:
        """Those of the stores that requests reach, where they are ours."""
        named = {"redis": "redis", "postgres": "postgresql"}
        return {shown: self.stores.pids[name] for name, shown in named.items() if name in self.stores.pids}

    def pids(self, up: Up, who: str) -> dict[str, int]:
        """Who is watched while `up` is measured: it, the stores, and this client."""
        return {who: up.pid, **self.store_pids, "client": os.getpid()}

    @cached_property
    def limit_us(self) -> int:
        """What a request costs its shopper's bucket in the baselines: as the gateway limits nobody or everybody."""
        told = ask(self.gateway().port, self.shoppers.reservation(self.sales.hot, "warm"))
        return 0 if told.header("ratelimit") is None else LIMIT_US

    def wait_for(self, up: Up, sale_id: str, is_so: Callable[[Mapping[str, Any]], bool]) -> None:
        """Until the queue document of a sale says so. Raises `DoesNotStart`."""
        deadline = time.monotonic() + LOADED_SECONDS_MAX
        while True:
            answer = ask(up.port, get(queue_path(sale_id)))
            if answer.status == 200 and is_so(msgspec.json.decode(answer.body)):
                return
            if time.monotonic() > deadline:
                raise DoesNotStart(f"The sale never became what was awaited: {answer.body[:300]!r}")
            time.sleep(POLL_SECONDS)


def queue_path(sale_id: str) -> str:
    return f"/v1/sales/{sale_id}/queue"


def is_loaded(document: Mapping[str, Any]) -> bool:
    """Whether the room is open and the stock of every item is known."""
    return document["state"] in {"open", "paused"} and "unknown" not in document["stock"].values()
