"""The dashboard and the alerts speak of metrics that there are, in PromQL that Prometheus reads."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

import embedding_studio.api  # so that what they count is declared here too
import embedding_studio.infra.triton  # noqa: F401
from embedding_studio.infra.embedded import free_port
from embedding_studio.infra.shipped import shipped
from installation import Installation, until, until_done
from servers import embedded_servers

pytestmark = pytest.mark.e2e

DASHBOARD = shipped("config") / "grafana" / "dashboard.json"
ALERTS = shipped("config") / "prometheus" / "alerts.yaml"
NOTES = "/api/v1/collections/notes"
OF_GPUS = {"embedding_studio_gpu_memory_bytes": {"gpu", "state"}, "embedding_studio_gpu_busy_ratio": {"gpu"}}
OF_TARGETS = {"job", "instance"}
"""Labels that Prometheus adds."""

METRIC = re.compile(r"\b((?:embedding_studio|process)_\w+)(?:\{([^}]*)\})?")
GROUPED = re.compile(r"\bby \(([^)]*)\)")

Metrics = Mapping[str, set[str]]
"""The labels of each metric, by the names of its samples."""


def panels() -> list[dict[str, Any]]:
    return [one for one in json.loads(DASHBOARD.read_text())["panels"] if one["type"] != "row"]


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    shown = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [one.replace("$__rate_interval", "5m") for one in [*shown, *(rule["expr"] for rule in rules())]]


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Metrics:
    """What an API and workers show of a task, a search and an event, and what they would of Triton and GPUs."""
    folder = tmp_path_factory.mktemp("dashboards")
    plugins = folder / "plugins"
    plugins.mkdir()
    shutil.copy(shipped("plugins") / "vectors.py", plugins)
    with embedded_servers() as urls:
        installation = Installation(urls, folder, PLUGINS=plugins)
        installation.run("migrate")
        with installation.serving(), installation.client() as client:
            texts = [*shown_in_use(installation, client), client.get("/metrics").text]
    return {**declared("embedding_studio_triton"), **labels_of(texts), **OF_GPUS}


def shown_in_use(installation: Installation, client: httpx.Client) -> Iterator[str]:
    """What is shown while a task waits, while an event waits, and by the workers that did away with both."""
    new = {"name": "notes", "plugin": "vectors", "options": {"dimensions": 2}}
    assert client.post("/api/v1/collections", json=new).status_code == 201
    items = [{"id": "1", "payload": {}, "vector": [1, 2]}]
    task = client.post(f"{NOTES}/items", json={"items": items}).json()["task_id"]
    yield shown(client, "ready", "queue_depth", "tasks", "collection_model_version")
    with working(installation, "upsert") as upsert:
        until_done(client, [task])
        yield httpx.get(upsert, timeout=60.0).text
    found = client.post(f"{NOTES}/search", json={"query": {"vector": [1, 2]}}).json()
    click = {"event_id": "1", "session_id": found["session_id"], "item_id": "1", "type": "click"}
    assert client.post("/api/v1/events", json={"events": [click]}).json()["accepted"] == 1
    yield shown(client, "memory_sessions_waiting")
    with working(installation, "improve") as improve:
        shown(client, "memory_revision")
        yield httpx.get(improve, timeout=60.0).text


def shown(client: httpx.Client, *names: str) -> str:
    """The API's metrics once they tell of all these: what does not answer in time is left out of them."""
    texts = [""]

    def is_told() -> bool:
        texts.append(client.get("/metrics").text)
        return all(f"embedding_studio_{name}{{" in texts[-1] for name in names)

    until(is_told)
    return texts[-1]


@contextmanager
def working(installation: Installation, role: str) -> Iterator[str]:
    """A worker, by the address of its metrics."""
    port = free_port()
    extra = {"EMBEDDING_STUDIO_METRICS__PORT": str(port)}
    with installation.running("worker", "--role", role, extra=extra):
        yield f"http://127.0.0.1:{port}/metrics"


def labels_of(texts: Iterable[str]) -> dict[str, set[str]]:
    """The labels of the metrics that are shown; of those that counted nothing yet, the labels that they will have."""
    found: dict[str, set[str]] = {}
    for family in (one for text in texts for one in text_string_to_metric_families(text)):
        samples = {sample.name: set(sample.labels) for sample in family.samples}
        for name, labels in (samples or declared(family.name)).items():
            found.setdefault(name, set()).update(labels)
    return found


def declared(start: str) -> dict[str, set[str]]:
    """The labels of the metrics of our code whose names start so."""
    return {
        name: set(getattr(one, "_labelnames", ())) | ({"le"} if name.endswith("_bucket") else set())
        for name, one in REGISTRY._names_to_collectors.items()
        if name.startswith(start)
    }


@pytest.mark.parametrize("expression", expressions())
def test_metrics_and_labels_exist(metrics: Metrics, expression: str) -> None:
    used = METRIC.findall(expression)
    assert used
    for name, selectors in used:
        assert name in metrics, name
        selected = {re.split(r"[=!]", one)[0].strip() for one in selectors.split(",") if one}
        assert selected <= metrics[name] | OF_TARGETS
    grouped = {label.strip() for group in GROUPED.findall(expression) for label in group.split(",")}
    assert all(grouped <= metrics[name] for name, _ in used), grouped


def test_every_metric_of_ours_is_on_the_dashboard_or_in_an_alert(metrics: Metrics) -> None:
    text = " ".join(expressions())
    missing = {
        base
        for name in metrics
        if name.startswith("embedding_studio_")
        and (base := re.sub(r"_(bucket|sum|count|created|total)$", "", name)) not in text
    }
    assert missing == set()


def test_legends_name_labels_of_their_expression() -> None:
    for panel in panels():
        for target in panel["targets"]:
            grouped = {one.strip() for group in GROUPED.findall(target["expr"]) for one in group.split(",")}
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= grouped | OF_TARGETS, panel["title"]


def test_prometheus_reads_all_of_it(tmp_path: Path) -> None:
    shown = {"name": "dashboard", "rules": [{"record": f"r{n}", "expr": one} for n, one in enumerate(expressions())]}
    (tmp_path / "rules.yaml").write_text(json.dumps({"groups": [shown]}))
    for path in (ALERTS, tmp_path / "rules.yaml"):
        done = promtool("check", "rules", str(path))
        assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_are_raised_when_they_should(tmp_path: Path) -> None:
    def alert(name: str, at: str, series: Mapping[str, str], *, every: str = "1m", **labels: str) -> dict[str, Any]:
        (rule,) = (one for one in rules() if one["alert"] == name)
        raised = {"exp_labels": labels | rule["labels"]}
        return {
            "interval": every,
            "input_series": [{"series": one, "values": values} for one, values in series.items()],
            "alert_rule_test": [{"eval_time": at, "alertname": name, "exp_alerts": [raised] if labels else []}],
        }

    oldest = 'embedding_studio_queue_oldest_seconds{queue="upsert"}'
    failed = 'embedding_studio_task_attempts_total{kind="upsert",ending="failed"}'
    ready = 'embedding_studio_ready{check="mongo"}'
    seen = 'embedding_studio_build_info{role="api"}'
    refused = {ready: "1x3 0x2 stale _x20", seen: "1x6 stale _x20"}  # for 45 s it is read that MongoDB is away
    tests = [
        alert("EmbeddingStudioQueueStands", "10m", {oldest: "0+60x20"}, queue="upsert"),
        alert("EmbeddingStudioQueueStands", "10m", {oldest: "5x20"}),
        alert("EmbeddingStudioTasksFail", "10m", {failed: "0x5 1x20"}, kind="upsert"),
        alert("EmbeddingStudioTasksFail", "10m", {failed: "3x20"}),
        alert("EmbeddingStudioNotReady", "10m", {ready: "1x5 0x20"}, check="mongo"),
        alert("EmbeddingStudioNotReady", "10m", {ready: "1x20"}),
        alert("EmbeddingStudioNotReady", "10m", {ready: "1x9 0 1x10"}),
        *(alert("EmbeddingStudioNotReady", at, refused, every="15s", check="mongo") for at in ("90s", "4m")),
        alert("EmbeddingStudioDown", "3m", refused, every="15s"),
        alert("EmbeddingStudioDown", "4m", refused, every="15s", role="api"),
    ]
    for test in tests:
        for one in test["alert_rule_test"]:
            for raised in one["exp_alerts"]:
                raised["exp_annotations"] = _annotations(one["alertname"], raised["exp_labels"])
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    suite = {"rule_files": [str(ALERTS)], "evaluation_interval": group["interval"], "tests": tests}
    (tmp_path / "tests.yaml").write_text(json.dumps(suite))
    done = promtool("test", "rules", str(tmp_path / "tests.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


def _annotations(name: str, labels: Mapping[str, str]) -> dict[str, str]:
    told = {
        "EmbeddingStudioQueueStands": "The oldest message in upsert waits for 10m 0s",
        "EmbeddingStudioTasksFail": "Tasks of the kind upsert fail",
        "EmbeddingStudioNotReady": "mongo does not answer",
        "EmbeddingStudioDown": "No API shows its metrics; all are down, or MongoDB is, without which no key is known",
    }
    assert labels
    return {"summary": told[name]}


def promtool(*arguments: str) -> "subprocess.CompletedProcess[str]":
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("needs promtool, of Debian's package `prometheus`")
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
