"""The command: its progress lines, its files, and one sentence when it cannot begin."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loadtests.crowd import wire
from loadtests.crowd.__main__ import REFUSED, arguments, start
from loadtests.crowd.progress import progress
from tests.loadtests.stub import SALE, StubGateway


async def _command(tmp_path: Path, words: str) -> tuple[int | None, str, str]:
    files = ["--history", str(tmp_path / "h.jsonl"), "--summary", str(tmp_path / "s.json")]
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtests.crowd", *words.split(), *files),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await command.communicate()
    return command.returncode, output.decode(), errors.decode()


async def test_the_command_runs_a_crowd(serve: Callable[..., Any], tmp_path: Path) -> None:
    stub = await serve(StubGateway())
    words = f"--gateway {stub.origin} --sale {SALE} --shoppers 3 --seed 2 --progress json"
    code, output, errors = await _command(tmp_path, words)
    assert (code, errors) == (0, "")
    lines = [json.loads(line) for line in output.splitlines()]
    assert lines[-1]["done"]
    assert lines[-1]["ended"] == lines[-1]["shoppers"] == 3
    assert sum(json.loads((tmp_path / "s.json").read_text())["totals"].values()) == 3
    assert (tmp_path / "h.jsonl").read_bytes().endswith(b"\n")


async def test_a_sale_that_is_not_there_is_one_sentence(tmp_path: Path, serve: Callable[..., Any]) -> None:
    stub = await serve(StubGateway())
    code, _, errors = await _command(
        tmp_path, f"--gateway {stub.origin} --sale nothing --shoppers 1 --progress none"
    )
    assert code == REFUSED
    assert errors.startswith("There is no sale 'nothing'")
    assert errors.count("\n") == 1


def test_a_gateway_that_is_not_there_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "TRIES_MAX", 1)
    files = ["--history", str(tmp_path / "h.jsonl"), "--summary", str(tmp_path / "s.json")]
    assert start(["--gateway", "http://127.0.0.1:1", "--sale", "x", "--progress", "none", *files]) == REFUSED
    message = capsys.readouterr().err
    assert message.startswith("Nothing answers at http://127.0.0.1:1")
    assert message.count("\n") == 1


@pytest.mark.parametrize("words", [["--shoppers", "0"], ["--shoppers", "many"], ["--progress", "loud"]])
def test_arguments_that_mean_nothing_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        arguments(["--gateway", "http://x", "--sale", "s", *words])
    assert refused.value.code == REFUSED


def test_people_see_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("rich") as show:
        show({"shoppers": 10, "ended": 4, "state": "open", "requests": 12_345})
    shown = capsys.readouterr().out
    assert "12,345" in shown
    assert "open" in shown
