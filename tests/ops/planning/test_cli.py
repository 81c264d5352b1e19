"""`floodgate sale …` against a real database, as a person types it."""

import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
import structlog

from kit.embedded import ServerUrls
from ops.cli import main
from ops.planning.language import REFUSALS, terminal_language
from tests.ops.planning.conftest import EXAMPLES

Floodgate = Callable[..., tuple[int, str, str]]


@pytest.fixture
def floodgate(
    servers: ServerUrls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Floodgate:
    """Runs a command: exit code, what it said, what it refused with."""
    monkeypatch.setenv("DATABASE_URL", servers.database)
    monkeypatch.setenv("REDIS_STOCK_URL", servers.redis_stock)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["floodgate", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def own_file(tmp_path: Path, double11: str, sale_id: str) -> Path:
    """The example under an id of its own."""
    file = tmp_path / "sale.yaml"
    file.write_text(double11.replace("double11-2027", sale_id), encoding="utf-8")
    return file


def test_a_sale_is_applied_listed_and_shown(floodgate: Floodgate, own_file: Path, sale_id: str) -> None:
    code, said, _ = floodgate("sale", "apply", str(own_file))
    assert code == 0
    assert f"Applied {sale_id}, revision 1" in said
    assert f"Next: floodgate sale show {sale_id}" in said
    code, said, _ = floodgate("sale", "list")
    assert code == 0
    assert sale_id in said
    code, said, _ = floodgate("sale", "show", sale_id)
    assert code == 0
    for word in ("phone-x", "199900", "waiting room: 200 a second", "early-cash", "the first 100", "to come"):
        assert word in said


def test_applying_the_same_file_again_changes_nothing(
    floodgate: Floodgate, own_file: Path, sale_id: str
) -> None:
    floodgate("sale", "apply", str(own_file))
    assert "revision 1" in floodgate("sale", "apply", str(own_file))[1]


def test_a_moved_window_opens_now_and_the_sale_is_then_bound_by_it(
    floodgate: Floodgate, own_file: Path
) -> None:
    assert floodgate("sale", "apply", str(own_file), "--opens-in-seconds", "0")[0] == 0
    code, _, refused = floodgate("sale", "apply", str(own_file), "--opens-in-seconds", "30")
    assert code == 2
    assert "The sale has begun" in refused
    assert "opens_at" in refused


def test_a_file_with_mistakes_changes_nothing_and_says_where(
    floodgate: Floodgate, own_file: Path, sale_id: str
) -> None:
    own_file.write_text(
        own_file.read_text(encoding="utf-8").replace("stock: 200", "stok: 200"), encoding="utf-8"
    )
    code, said, refused = floodgate("sale", "apply", str(own_file))
    assert (code, said) == (2, "")
    assert "line 36, items[0].stok: there is no field stok here. Did you mean stock." in refused
    assert "Nothing was changed" in refused
    assert floodgate("sale", "show", sale_id)[0] == 2


def test_a_refusal_speaks_the_language_of_the_terminal(
    floodgate: Floodgate, own_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    own_file.write_text("sale: 1", encoding="utf-8")
    assert "没有任何改动" in floodgate("sale", "apply", str(own_file))[2]
    assert "没有活动 nowhere" in floodgate("sale", "show", "nowhere")[2]


def test_a_window_that_is_over_is_refused_with_a_way_out(floodgate: Floodgate, own_file: Path) -> None:
    own_file.write_text(own_file.read_text(encoding="utf-8").replace("2027-11", "2020-11"), encoding="utf-8")
    code, _, refused = floodgate("sale", "apply", str(own_file))
    assert code == 2
    assert "--opens-in-seconds 60" in refused
    assert floodgate("sale", "apply", str(own_file), "--opens-in-seconds", "60")[0] == 0


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"caf\xe9: 1"])
def test_a_file_that_is_no_text_is_refused(floodgate: Floodgate, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "sale.yaml"
    file.write_bytes(content)
    code, _, refused = floodgate("sale", "apply", str(file))
    assert code == 2
    assert "not UTF-8" in refused


@pytest.mark.parametrize("content", [b"#" * 300_000, "界".encode() * 100_000])
def test_a_file_without_end_is_refused(floodgate: Floodgate, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "sale.yaml"
    file.write_bytes(content)
    code, _, refused = floodgate("sale", "apply", str(file))
    assert code == 2
    assert "more than 65536" in refused


@pytest.mark.parametrize(
    ("variable", "value", "word"),
    [
        ("DATABASE_URL", "", "Set DATABASE_URL"),
        ("DATABASE_URL", "mysql://host/name", "postgresql://"),
        ("DATABASE_URL", "postgresql://127.0.0.1:1/nothing", "No PostgreSQL answers at 127.0.0.1:1/nothing"),
    ],
)
def test_a_missing_or_wrong_database_is_one_sentence(
    floodgate: Floodgate, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, word: str
) -> None:
    monkeypatch.setenv(variable, value)
    code, _, refused = floodgate("sale", "list")
    assert code == 2
    assert word in refused
    assert len(refused.strip().splitlines()) == 1


def test_a_database_that_is_not_there_is_one_sentence(
    floodgate: Floodgate, monkeypatch: pytest.MonkeyPatch, servers: ServerUrls
) -> None:
    missing = urlsplit(servers.database)._replace(path="/no_such_database")
    monkeypatch.setenv("DATABASE_URL", urlunsplit(missing))
    code, _, refused = floodgate("sale", "list")
    assert code == 2
    assert "no_such_database" in refused
    assert len(refused.strip().splitlines()) == 1


def test_a_database_without_tables_is_one_sentence(
    floodgate: Floodgate, monkeypatch: pytest.MonkeyPatch, servers: ServerUrls
) -> None:
    database = servers.database.rpartition("/floodgate_test_")
    without = servers.database.replace(database[1] + database[2].split("?")[0], "/template1")
    monkeypatch.setenv("DATABASE_URL", without)
    code, _, refused = floodgate("sale", "list")
    assert code == 2
    assert "no tables of Floodgate" in refused


def test_a_missing_file_is_one_sentence(floodgate: Floodgate, tmp_path: Path) -> None:
    code, _, refused = floodgate("sale", "apply", str(tmp_path / "nothing.yaml"))
    assert code == 2
    assert "examples/double11.yaml" in refused
    assert floodgate("sale", "apply", str(EXAMPLES))[0] == 2


def test_help_says_what_to_do_next(floodgate: Floodgate) -> None:
    code, said, _ = floodgate("--help")
    assert code == 0
    for command in ("run", "sale", "desk"):
        assert command in said
    assert "floodgate run" in said


def test_every_refusal_has_words_in_both_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(words.keys() == {"en", "zh-CN"} for words in REFUSALS.values())
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.delenv("LC_MESSAGES", raising=False)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert terminal_language() == "zh-CN"


def test_what_is_logged_after_a_command_goes_to_whatever_stderr_is_by_then(
    floodgate: Floodgate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that the command had may be closed: a process that calls it goes on and logs."""
    with StringIO() as before:
        monkeypatch.setattr(sys, "stderr", before)
        floodgate("sale", "list")
    after = StringIO()
    monkeypatch.setattr(sys, "stderr", after)
    structlog.get_logger().warning("something_happened")
    assert "something_happened" in after.getvalue()
