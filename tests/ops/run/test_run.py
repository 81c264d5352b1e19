"""How runs begin and end: in order when told to stop, with one sentence when they cannot start."""

import signal
import socket
import subprocess
import sys

import pytest

from tests.ops.run.stage import RUN_SECONDS_MAX, Stage


@pytest.mark.run
@pytest.mark.timeout(RUN_SECONDS_MAX)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_told_to_stop_leaves_nothing_behind(stage: Stage, number: signal.Signals) -> None:
    process = stage.stay_up(CROWD="0")
    assert stage.servers_alive() != []
    process.send_signal(number)
    process.communicate(timeout=90)
    assert process.returncode == 0
    stage.assert_nothing_left()


def test_a_taken_port_is_one_sentence_and_exit_code_2(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", int(stage.environment["GATEWAY_PORT"]))):
        code, output = stage.run()
    assert code == 2
    assert output.splitlines()[-1].endswith("set GATEWAY_PORT to a free port.")
    assert "Traceback" not in output
    stage.assert_nothing_left()


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("DATABASE_URL", "mysql://here/there", "DATABASE_URL must look like postgresql://"),
        (
            "DATABASE_URL",
            "postgresql://me:secret@127.0.0.1:1/none",
            "No PostgreSQL answers at 127.0.0.1:1/none",
        ),
        ("REDIS_QUEUE_URL", "localhost:6379", "REDIS_QUEUE_URL must look like redis://"),
        ("REDIS_BROKER_URL", "redis://:secret@127.0.0.1:1/0", "No Redis answers at 127.0.0.1:1/0"),
    ],
)
def test_a_wrong_or_missing_server_is_one_sentence_and_exit_code_2(
    stage: Stage, variable: str, value: str, sentence: str
) -> None:
    code, output = stage.run(**{variable: value})
    assert code == 2
    assert output.splitlines()[-1].startswith(sentence)
    assert "Traceback" not in output
    assert "secret" not in output
    stage.assert_nothing_left()


def test_a_missing_sale_file_is_one_sentence_and_exit_code_2(stage: Stage) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "ops", "run", "--sale-file", "nowhere.yaml"],
        env=stage.environment,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 2
    assert ended.stderr == "There is no sale file nowhere.yaml: name one with --sale-file.\n"
