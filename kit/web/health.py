"""`/livez /readyz /startupz /metrics` on their own port and thread.

A busy or stalled event loop must not look like a dead process, and a crowd at the door must not keep the kubelet out:
so nothing here shares the loop, and `/livez` asks nobody anything.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

from kit.embedded.ports import is_taken
from kit.errors import StartRefused

REQUEST_SECONDS_MAX = 5.0  # a scraper that trickles its request is cut off


@dataclass
class Health:
    """The state of one process, set by its composition root and read by probes.

    `ready_checks` are cheap and look at memory only (a probe that asks Redis would empty the Service when Redis
    blips); each gives a reason while the process should not get traffic, else None.
    """

    started: Event = field(default_factory=Event)
    draining: Event = field(default_factory=Event)
    ready_checks: list[Callable[[], str | None]] = field(default_factory=list)

    def why_not_ready(self) -> str | None:
        """One reason, or None when the process can take traffic now."""
        if not self.started.is_set():
            return "starting"
        if self.draining.is_set():
            return "draining"
        return next((reason for check in self.ready_checks if (reason := check()) is not None), None)


class HealthServer:
    """Serves the probes and metrics of a process until `stop`."""

    def __init__(
        self, health: Health, *, host: str, port: int, registry: CollectorRegistry = REGISTRY
    ) -> None:
        if is_taken(host, port):
            raise StartRefused(
                f"Port {port} (health and metrics) is taken: stop what listens there or set HEALTH_PORT."
            )
        self._server = ThreadingHTTPServer((host, port), _probe_handler(health, registry))
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, name="health", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=REQUEST_SECONDS_MAX)


def _probe_handler(health: Health, registry: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Probe(BaseHTTPRequestHandler):
        timeout = REQUEST_SECONDS_MAX
        server_version = "floodgate"
        sys_version = ""

        def do_GET(self) -> None:
            path = self.path.split("?", 1)[0]
            if path == "/metrics":
                self._answer(200, generate_latest(registry), CONTENT_TYPE_LATEST)
            elif path == "/livez":
                self._say(None)
            elif path == "/startupz":
                self._say(None if health.started.is_set() else "starting")
            elif path == "/readyz":
                self._say(health.why_not_ready())
            else:
                self._answer(404, b"not found: try /livez /readyz /startupz /metrics\n", "text/plain")

        def _say(self, reason: str | None) -> None:
            self._answer(200 if reason is None else 503, f"{reason or 'ok'}\n".encode(), "text/plain")

        def _answer(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            """Probes are not news."""

    return Probe
