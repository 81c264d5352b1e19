"""A log line carries a fixed event name and ids; a person or a secret never gets into it."""

import json
import logging

import pytest
import structlog

from kit.logs import _LibraryFormatter, configure_logs
from kit.settings import LogSettings


@pytest.mark.parametrize("field", ["phone", "token", "authorization", "admission", "secret"])
def test_private_fields_are_withheld(field: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("test", LogSettings())
    structlog.get_logger().info("something_happened", sale_id="s-1", **{field: "13800138000"})
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "something_happened"
    assert line["sale_id"] == "s-1"
    assert line["process"] == "test"
    assert line[field] == "[withheld]"
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def _refused_row() -> Exception:
    """As a driver's error within the toolkit's, within ours."""
    quoted = 'violates "ck"\nDETAIL:  Failing row contains (r-1, 13800138000).\nHINT:  look'
    try:
        try:
            raise ValueError(quoted)  # noqa: TRY301 - the chain is what is tested
        except ValueError as cause:
            raise RuntimeError(f"(Error) {cause!r}: {quoted}") from cause
    except RuntimeError as error:
        return error


def test_a_row_that_an_error_quotes_is_withheld_in_every_link_of_the_chain(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("test", LogSettings())
    structlog.get_logger().error("request_failed", exc_info=_refused_row())
    told = json.loads(capsys.readouterr().err)["exception"]
    assert "13800138000" not in told
    assert (told.count("DETAIL: [withheld]"), told.count("HINT:  look")) == (3, 2)
    assert "The above exception was the direct cause" in told
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_row_quoted_in_a_log_line_of_a_library_is_withheld() -> None:
    error = _refused_row()
    record = logging.LogRecord(
        "asyncio", logging.ERROR, "", 0, "Task failed", None, (type(error), error, error.__traceback__)
    )
    told = _LibraryFormatter("%(message)s").format(record)
    assert "Task failed" in told
    assert "13800138000" not in told
