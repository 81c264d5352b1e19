"""Structured logs: one JSON object a line, a fixed event name, ids as fields; never names, phones, tokens or bodies."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

from kit.settings import LogSettings

# Fields that would carry a person or a secret; a log line that has one is a bug, and the value is not written.
_PRIVATE: Final = frozenset(
    {"phone", "token", "authorization", "password", "secret", "body", "admission", "ticket"}
)

# PostgreSQL quotes the row it refuses, with everything in it.
_ROW_QUOTED: Final = re.compile(r"DETAIL:.*")


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
            _drop_quoted_rows,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    libraries = logging.StreamHandler(sys.stderr)
    libraries.setFormatter(_LibraryFormatter("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[libraries])


class _LibraryFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return _without_rows(super().format(record))


def _drop_private(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in _PRIVATE & event.keys():
        event[name] = "[withheld]"
    return event


def _drop_quoted_rows(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    if isinstance(event.get("exception"), str):
        event["exception"] = _without_rows(event["exception"])
    return event


def _without_rows(text: str) -> str:
    return _ROW_QUOTED.sub("DETAIL: [withheld]", text)
