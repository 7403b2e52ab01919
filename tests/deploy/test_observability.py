"""The example configurations speak of what exists."""

import re
from pathlib import Path
from typing import get_args

import yaml

from agentos.telemetry import MetricName

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def test_alerts_ask_for_metrics_that_there_are() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
    named = {name for rule in rules for name in re.findall(r"agentos_\w+", rule["expr"])}
    assert named
    assert named <= set(get_args(MetricName))


def test_the_rules_file_that_prometheus_loads_exists() -> None:
    for name in yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["rule_files"]:
        assert (DEPLOY / "prometheus" / name).is_file()


def test_every_part_of_a_pipeline_of_the_collector_is_configured() -> None:
    config = yaml.safe_load((DEPLOY / "otel" / "collector.yaml").read_text())
    for pipeline in config["service"]["pipelines"].values():
        for kind, names in pipeline.items():
            assert set(names) <= set(config[kind])
