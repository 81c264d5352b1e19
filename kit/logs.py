"""Structured logs: one JSON object a line, a fixed event name, ids as fields; never names, phones, tokens or bodies."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

from kit.settings import LogSettings

# Fields that would carry a person or a secret; a log line that has one is a bug, and the value is not written.
_PRIVATE: Final = frozenset(
    {"phone", "token", "authorization", "password", "secret", "body", "admission", "ticket"}
)


def configure_logs(process: str, settings: LogSettings) -> None:
    """Sets structlog up for a process; called once, by its composition root."""
    structlog.contextvars.bind_contextvars(process=process)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _drop_private,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")


def _drop_private(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in _PRIVATE & event.keys():
        event[name] = "[withheld]"
    return event
