"""One worker process: Dramatiq's threads for the messages, one event loop for the work, an orderly end."""

import asyncio
from concurrent.futures import Future
from contextlib import AsyncExitStack
from typing import Any, Final

import structlog
from dramatiq import Broker, Middleware, Worker
from dramatiq.asyncio import get_event_loop_thread

from flashsale import actors as flashsale_actors
from kit.errors import StartRefused
from ops.worker.parts import Parts, open_parts
from ops.worker.settings import WorkerSettings
from rewards import actors as rewards_actors

log = structlog.get_logger()

OPEN_SECONDS_MAX: Final = 10.0
CLOSE_SECONDS_MAX: Final = 3.0


class SharedLoop(Middleware):
    """Opens the parts inside Dramatiq's event loop before the first message and closes them after the last.

    Clients belong to the loop that first used them; so they are built there. It is added after `FastLoop`, whose loop
    runs by then, and Dramatiq ends middleware in reverse order, so the loop still runs when the parts are closed.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self.failure: Exception | None = None

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        # Dramatiq logs what middleware raises and boots all the same; the process looks here after the boot.
        try:
            opening = self._in_loop(self._stack.enter_async_context(open_parts(self._settings)))
            declare_all(broker, opening.result(OPEN_SECONDS_MAX))
        except Exception as error:  # noqa: BLE001 - raised again by `WorkerProcess.start`
            self.failure = error

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        try:
            self._in_loop(self._stack.aclose()).result(CLOSE_SECONDS_MAX)
        except TimeoutError:
            log.warning("worker_close_timed_out")

    def _in_loop(self, work: Any) -> "Future[Any]":
        thread = get_event_loop_thread()
        if thread is None:
            raise StartRefused("The broker runs without an event loop: add Dramatiq's AsyncIO middleware.")
        return asyncio.run_coroutine_threadsafe(work, thread.loop)


def declare_all(broker: Broker, parts: Parts) -> None:
    """Every actor of the rooms."""
    rewards_actors.declare(broker, parts.postgres, parts.payouts)
    flashsale_actors.declare(broker, parts.payments)


class WorkerProcess:
    """Starts and stops the worker on a broker."""

    def __init__(self, broker: Broker, settings: WorkerSettings) -> None:
        self._settings = settings
        self._loop = SharedLoop(settings)
        broker.add_middleware(self._loop)
        self._worker = Worker(broker, worker_threads=settings.threads, worker_timeout=settings.poll_ms)

    def start(self) -> None:
        """Opens the parts and takes messages. Raises `StartRefused`."""
        self._worker.start()
        if self._loop.failure is not None:
            self.stop()
            raise self._loop.failure

    def stop(self) -> None:
        """Takes no more messages, finishes those in hand within `drain_seconds`, hands the rest back to the broker.

        What is cut off is harmless: its row stays due and is rung for again.
        """
        self._worker.stop(timeout=int(self._settings.drain_seconds * 1000))
