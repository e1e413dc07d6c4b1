"""What `deploy/` holds is what its readers accept: Kubernetes, Compose, Prometheus."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client import generate_latest

from readstate.telemetry.metrics import GatewayMetrics, Metrics
from tests.tools import tool

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
RUNBOOK: Final = DEPLOY.parent / "docs" / "operating" / "runbook.md"


def run(*command: str | Path, folder: Path = DEPLOY, **variables: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=os.environ | variables, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rendered(folder: str) -> list[dict[str, Any]]:
    text = run(tool("kustomize", required_by="DEPLOY"), "build", DEPLOY / folder)
    return list(yaml.safe_load_all(text))


@pytest.mark.parametrize("folder", ["kubernetes/base", "kubernetes/production"])
def test_kubernetes_accepts_every_object(folder: str, tmp_path: Path) -> None:
    validate = tool("kubernetes-validate", required_by="DEPLOY")
    # The operator's kinds are not Kubernetes' own, and have no schema here.
    known = [each for each in rendered(folder) if not each["apiVersion"].startswith("monitoring.coreos.com")]
    assert len(known) > 10
    (tmp_path / "objects.yaml").write_text(yaml.safe_dump_all(known))
    run(validate, "--strict", tmp_path / "objects.yaml")


def test_every_container_is_confined() -> None:
    workloads = [each for each in rendered("kubernetes/production") if each["kind"] in ("Deployment", "Job")]
    assert {each["metadata"]["name"] for each in workloads} == {
        "readstate-server", "readstate-gateway", "readstate-migrate", "readstate-envoy", "readstate-pgbouncer",
    }  # fmt: skip
    for workload in workloads:
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"], workload["metadata"]["name"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]


def test_nothing_outlasts_the_time_that_a_pod_has_to_end() -> None:
    # The drain's defaults, 3 s and 5 s, and what closing the pool takes.
    for workload in rendered("kubernetes/base"):
        if workload["kind"] == "Deployment":
            assert workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= 3 + 5 + 5


@pytest.mark.parametrize("folder", [".", "deploy/compose"])
def test_compose_accepts_the_file(folder: str) -> None:
    compose = tool("docker-compose", required_by="DEPLOY")
    secrets = {"POSTGRES_PASSWORD": "p", "READSTATE_TOKEN_SECRET": "s" * 32}
    run(compose, "config", "--quiet", folder=DEPLOY.parent / folder, **secrets)


def test_prometheus_accepts_the_rules() -> None:
    promtool = tool("promtool", required_by="DEPLOY")
    run(promtool, "check", "rules", DEPLOY / "monitoring/rules.yml")
    run(promtool, "check", "config", DEPLOY / "monitoring/prometheus.yml")


def test_the_operator_gets_the_same_rules() -> None:
    rule = yaml.safe_load((DEPLOY / "monitoring/prometheus-rule.yaml").read_text())
    assert rule["spec"] == yaml.safe_load((DEPLOY / "monitoring/rules.yml").read_text())


def test_every_alert_has_its_page() -> None:
    alerts = re.findall(r"alert: (\w+)", (DEPLOY / "monitoring/rules.yml").read_text())
    pages = re.findall(r"^## (Readstate\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert alerts == pages


def queries() -> list[str]:
    """What the dashboard asks Prometheus."""
    dashboard = json.loads((DEPLOY / "monitoring/dashboard.json").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def test_prometheus_understands_every_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"panel:query{n}", "expr": query} for n, query in enumerate(queries())]
    assert len(rules) > 20
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    run(tool("promtool", required_by="DEPLOY"), "check", "rules", file)


def test_every_metric_that_is_asked_for_is_one_that_is_told() -> None:
    asked = {name for query in queries() for name in metrics_in(query)}
    asked |= metrics_in((DEPLOY / "monitoring/rules.yml").read_text())
    assert asked <= told(), asked - told()


@pytest.mark.parametrize("metrics", [Metrics, GatewayMetrics])
def test_prometheus_finds_no_fault_with_the_metrics(metrics: type[Metrics | GatewayMetrics]) -> None:
    page = generate_latest(metrics().registry).decode()
    promtool = tool("promtool", required_by="DEPLOY")
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, text=True, timeout=60, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def metrics_in(expression: str) -> set[str]:
    return set(re.findall(r"\breadstate_(?!server|gateway\b)\w+", expression))


def told() -> set[str]:
    names = set()
    for registry in (Metrics().registry, GatewayMetrics().registry):
        for family in registry.collect():
            suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "info": ["_info"]}
            names |= {family.name + suffix for suffix in suffixes.get(family.type, [""])}
    return names
