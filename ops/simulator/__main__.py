"""`python -m ops.simulator`: the pretended payment and payout provider, with a book of its own."""

import signal
import sqlite3
import sys
from contextlib import suppress

import structlog
import uvicorn

from kit.clock import SystemClock
from kit.embedded.ports import is_taken
from kit.errors import StartRefused
from kit.process import run_process
from kit.provider import ProviderSettings, parse_webhook_secret
from kit.settings import read_settings
from kit.web.health import Health, HealthServer
from ops.simulator.app import Parts, create_app
from ops.simulator.book import Book
from ops.simulator.deliverer import Deliverer
from ops.simulator.provider import Provider
from ops.simulator.settings import ProbeSettings, SimulatorSettings

log = structlog.get_logger()

DRAIN_SECONDS_MAX = 5  # a silent payout holds its connection for longer; its caller has given it up


def main() -> None:
    """Serves until SIGTERM or SIGINT. Raises `StartRefused`."""
    settings, provider_settings, probe_settings = (
        read_settings(SimulatorSettings),
        read_settings(ProviderSettings),
        read_settings(ProbeSettings),
    )
    secret = parse_webhook_secret(provider_settings.webhook_secret)
    if not provider_settings.api_key:
        raise StartRefused("Set PROVIDER_API_KEY to the key that the shop calls with.")
    if is_taken(settings.host, settings.port):
        raise StartRefused(
            f"Port {settings.port} (simulator) is taken: stop what listens there or set SIMULATOR_PORT."
        )
    health = Health()
    probes = HealthServer(health, host=probe_settings.host, port=probe_settings.port)
    book = open_book(settings)
    clock = SystemClock()
    parts = Parts(
        provider=Provider(book, clock),
        book=book,
        deliverer=Deliverer(book, clock, webhook_url=settings.webhook_url, secret=secret),
        api_key=provider_settings.api_key,
        address=settings.address,
        gateway_origin=settings.gateway_origin,
    )
    probes.start()
    health.started.set()
    log.info("simulator_started", port=settings.port)
    try:
        serve(parts, settings)
    finally:
        health.draining.set()
        book.close()
        probes.stop()
        log.info("simulator_stopped")


def open_book(settings: SimulatorSettings) -> Book:
    """The book. Raises `StartRefused` where its file cannot be written."""
    try:
        return Book(settings.book)
    except (OSError, sqlite3.Error) as error:
        raise StartRefused(
            f"The book {settings.book} cannot be opened ({error}): set SIMULATOR_BOOK to a file that can be written."
        ) from error


def serve(parts: Parts, settings: SimulatorSettings) -> None:
    """Runs the server in this thread until it is told to stop."""
    config = uvicorn.Config(
        create_app(parts),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS_MAX,
    )
    # uvicorn drains and then raises the signal again; this lets the caller put the book away before it ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run()


if __name__ == "__main__":
    run_process("simulator", main)
