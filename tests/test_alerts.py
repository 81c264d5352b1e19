"""Alerts wake people: each rests on metrics that are exported, with labels that they have, and names a page to open."""

import importlib
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client import REGISTRY

from tests.test_metrics import metrics_modules, promtool

ROOT: Final = Path(__file__).resolve().parent.parent
RULES: Final = ROOT / "k8s" / "alerts" / "floodgate.rules.yaml"
ALERTS: Final[list[dict[str, Any]]] = [
    rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]
]
SUFFIXES: Final = ("", "_total", "_bucket", "_sum", "_count")
# What Prometheus itself, or the text format, puts beside the labels of ours.
GIVEN_LABELS: Final = {"instance", "le"}


def exported() -> dict[str, set[str]]:
    """Series name → the labels that it has."""
    for module in metrics_modules():
        importlib.import_module(module)
    collectors = set(REGISTRY._names_to_collectors.values())
    return {
        metric.name + suffix: set(getattr(metric, "_labelnames", getattr(collector, "_labelnames", ())))
        for collector in collectors
        for metric in collector.collect()
        for suffix in SUFFIXES
    }


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_rests_on_metrics_that_are_exported_with_its_labels(alert: dict[str, Any]) -> None:
    series = exported()
    named = set(re.findall(r"floodgate_\w+", alert["expr"]))
    assert named
    assert named <= series.keys()
    labels = {
        label.strip()
        for some in re.findall(r"(?:by|on) \(([^)]+)\)", alert["expr"])
        for label in some.split(",")
    } | set(re.findall(r"(\w+)=\"", alert["expr"]))
    assert labels <= GIVEN_LABELS | set().union(*(series[name] for name in named))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_says_how_urgent_it_is_in_both_languages_and_where_to_read_on(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert re.search(r"[a-z].* / .*[\u4e00-\u9fff]", alert["annotations"]["summary"])
    assert (ROOT / alert["annotations"]["runbook"]).is_file()


def test_no_two_alerts_have_one_name() -> None:
    names = [alert["alert"] for alert in ALERTS]
    assert len(set(names)) == len(names)


def test_prometheus_reads_the_rules() -> None:
    run = subprocess.run(
        [promtool(), "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
