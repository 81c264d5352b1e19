"""A log line carries a fixed event name and ids; a person or a secret never gets into it."""

import json

import pytest
import structlog

from kit.logs import configure_logs
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
