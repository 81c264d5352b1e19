"""Probes on their own port and thread: process only, can take traffic, started."""

import threading
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, Counter

from kit.embedded.ports import free_port
from kit.errors import StartRefused
from kit.web.health import Health, HealthServer


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def probed(registry: CollectorRegistry) -> Iterator[tuple[Health, str]]:
    health, port = Health(), free_port()
    server = HealthServer(health, host="127.0.0.1", port=port, registry=registry)
    server.start()
    yield health, f"http://127.0.0.1:{port}"
    server.stop()


def ask(url: str) -> tuple[int, str]:
    try:
        with urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_process_is_alive_before_it_is_started_and_ready_only_after(probed: tuple[Health, str]) -> None:
    health, url = probed
    assert ask(f"{url}/livez")[0] == 200
    assert ask(f"{url}/startupz") == (503, "starting\n")
    assert ask(f"{url}/readyz") == (503, "starting\n")
    health.started.set()
    assert ask(f"{url}/startupz")[0] == ask(f"{url}/readyz")[0] == 200


def test_a_draining_process_is_alive_and_not_ready(probed: tuple[Health, str]) -> None:
    health, url = probed
    health.started.set()
    health.draining.set()
    assert ask(f"{url}/readyz") == (503, "draining\n")
    assert ask(f"{url}/livez")[0] == 200


def test_a_check_gives_its_reason(probed: tuple[Health, str]) -> None:
    health, url = probed
    health.started.set()
    health.ready_checks.append(lambda: "view_too_old")
    assert ask(f"{url}/readyz?verbose=1") == (503, "view_too_old\n")


def test_metrics_are_prometheus_text(probed: tuple[Health, str], registry: CollectorRegistry) -> None:
    Counter("floodgate_probe_tests_total", "Tests of the probes", registry=registry).inc()
    status, body = ask(f"{probed[1]}/metrics")
    assert status == 200
    assert "floodgate_probe_tests_total 1.0" in body


def test_what_is_no_probe_is_told_which_are(probed: tuple[Health, str]) -> None:
    status, body = ask(f"{probed[1]}/")
    assert status == 404
    assert "/livez" in body


def test_a_trickling_scraper_does_not_keep_others_out(probed: tuple[Health, str]) -> None:
    import socket

    host, _, port = probed[1].removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as trickle:
        trickle.sendall(b"GET /livez")
        assert ask(f"{probed[1]}/livez")[0] == 200
    assert threading.active_count() >= 1


def test_a_taken_port_refuses_the_start_in_one_sentence(probed: tuple[Health, str]) -> None:
    port = int(probed[1].rpartition(":")[2])
    with pytest.raises(StartRefused, match=f"Port {port} .* HEALTH_PORT"):
        HealthServer(Health(), host="127.0.0.1", port=port)
