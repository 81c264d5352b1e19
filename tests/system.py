"""The system as its own processes for one test: gateway, worker, keeper, provider simulator, on ports of their own."""

import asyncio
import base64
import os
import secrets
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

from flashsale.sales import SaleFacts
from kit.embedded import ServerUrls
from kit.embedded.ports import free_port
from kit.postgres import Postgres
from ops.planning.salefile import SaleFile, apply, parse
from tests.patience import patient

MODULES: Final = {
    "simulator": "ops.simulator",
    "gateway": "gateway",
    "worker": "ops.worker",
    "keeper": "ops.keeper",
}
READY_SECONDS_MAX: Final = 60.0  # two busy cores start four interpreters at once
STOP_SECONDS_MAX: Final = 20.0
ROOT: Final = Path(__file__).resolve().parent.parent


class System:
    """A context: everything is up inside it, and gone after it."""

    def __init__(self, servers: ServerUrls, folder: Path) -> None:
        self._servers = servers
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._health_ports = {name: free_port() for name in MODULES}
        gateway, simulator = free_port(), free_port()
        self.gateway_url = f"http://127.0.0.1:{gateway}"
        self.simulator_url = f"http://127.0.0.1:{simulator}"
        self._environment = self._shared_environment(gateway, simulator)

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            for name in MODULES:
                self.start(name)
            for name in MODULES:
                self.wait_until_ready(name)
        except BaseException:
            self._end_all()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_all()

    def start(self, name: str) -> None:
        """Starts a process; its output goes to `<folder>/<name>.log`."""
        environment = self._environment | {"HEALTH_PORT": str(self._health_ports[name])}
        with self.log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", MODULES[name]], cwd=ROOT, env=environment, stdout=log, stderr=log
            )

    def kill(self, name: str) -> None:
        """Ends a process as a crash would: no goodbye."""
        self._processes[name].send_signal(signal.SIGKILL)
        self._processes[name].wait(STOP_SECONDS_MAX)

    def log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def wait_until_ready(self, name: str) -> None:
        """Returns when the process says that it can take traffic; fails with its log when it never does."""
        probe = f"http://127.0.0.1:{self._health_ports[name]}/readyz"
        deadline = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < deadline and self._processes[name].poll() is None:
            try:
                if httpx.get(probe, timeout=2).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"{name} is not ready:\n{self.log(name).read_text(errors='replace')[-4000:]}")

    def apply_sale(self, text: str, *, opens_in_seconds: int) -> SaleFacts:
        """Applies a sale file that opens so many seconds from now, and waits until the gateway shows it."""
        sale_file = parse(text).opening_in(opens_in_seconds, datetime.now(UTC))
        # In a thread of its own: Playwright's synchronous API keeps a loop running in the caller's.
        with ThreadPoolExecutor(1) as thread:
            facts = thread.submit(asyncio.run, self._apply(sale_file)).result()
        queue = f"{self.gateway_url}/v1/sales/{facts.sale_id}/queue"
        deadline = time.monotonic() + READY_SECONDS_MAX
        while httpx.get(queue, timeout=5).status_code != httpx.codes.OK:
            assert time.monotonic() < deadline, f"the gateway never showed {facts.sale_id}"
            time.sleep(0.1)
        return facts

    async def _apply(self, sale_file: SaleFile) -> SaleFacts:
        postgres = Postgres(patient(self._servers.database))
        try:
            async with postgres.unit_of_work() as session:
                return await apply(session, sale_file, actor="test")
        finally:
            await postgres.close()

    def sign_in(self, user_id: str) -> str:
        answer = httpx.post(f"{self.gateway_url}/v1/local/sign-in", json={"user_id": user_id}, timeout=10)
        return str(answer.raise_for_status().json()["token"])

    def join(self, sale_id: str, token: str) -> str:
        """The ticket of whoever `token` names."""
        answer = httpx.post(
            f"{self.gateway_url}/v1/sales/{sale_id}/tickets",
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )
        return str(answer.raise_for_status().json()["ticket"])

    def _end_all(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _shared_environment(self, gateway: int, simulator: int) -> dict[str, str]:
        webhook_key = base64.b64encode(secrets.token_bytes(32)).decode()
        return (
            dict[str, str](os.environ)
            | self._servers.as_environment()
            | {
                "IDENTITY_KEYS": f"test:{secrets.token_hex(32)}",
                "QUEUEING_KEYS": f"test:{secrets.token_hex(32)}",
                "PROVIDER_URL": self.simulator_url,
                "PROVIDER_API_KEY": secrets.token_hex(16),
                "PROVIDER_WEBHOOK_SECRET": f"whsec_{webhook_key}",
                "GATEWAY_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(gateway),
                "GATEWAY_LOCAL_ISSUER": "true",
                "SIMULATOR_PORT": str(simulator),
                "SIMULATOR_WEBHOOK_URL": self.gateway_url,
                "SIMULATOR_GATEWAY_ORIGIN": self.gateway_url,
                "SIMULATOR_BOOK": str(self._folder / "provider-book.sqlite"),
            }
        )
