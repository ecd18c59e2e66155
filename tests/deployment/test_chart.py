"""The Helm chart, rendered by Helm and checked against the schemas of Kubernetes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployment.conftest import ROOT, Run
from embedding_studio.doctor.work import ROLE_OF
from embedding_studio.settings import load_settings
from embedding_studio.worker import ROLES

CHART = "config/helm/embedding-studio"
NEEDED = {"secret": "studio", "inference.triton.image": "triton:24.10"}
ALL = {
    **NEEDED,
    "authority": "ca",
    "plugins": "ours",
    "prometheus": "http://prometheus:9090",
    "inference.replicas": "2",
    "inference.triton.claim": "models",
    **{f"workers.{role}.autoscaling.enabled": "true" for role in ("upsert", "improve", "finetune")},
}
PLAIN = {**NEEDED, "api.autoscaling.enabled": "false", "networkPolicy.enabled": "false"}
Manifest = dict[str, Any]


def rendered(run: Run, values: dict[str, str]) -> list[Manifest]:
    done = run(
        "helm", "template", "studio", CHART, "--set", ",".join(f"{key}={value}" for key, value in values.items())
    )
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    """The specification of the pods of each Deployment and Job, by its name."""
    return {
        one["metadata"]["name"].removeprefix("studio-"): one["spec"]["template"]["spec"]
        for one in manifests
        if one["kind"] in ("Deployment", "Job")
    }


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {one["metadata"]["name"].removeprefix("studio-"): one for one in manifests if one["kind"] == kind}


@pytest.mark.parametrize("values", [NEEDED, ALL, PLAIN], ids=["needed", "all", "plain"])
def test_it_is_sound_and_kubernetes_takes_what_it_renders(run: Run, tmp_path: Path, values: dict[str, str]) -> None:
    chosen = ",".join(f"{key}={value}" for key, value in values.items())
    linted = run("helm", "lint", "--strict", CHART, "--set", chosen)
    assert linted.returncode == 0, linted.stdout
    file = tmp_path / "rendered.yaml"
    known = [one for one in rendered(run, values) if one["kind"] != "ScaledObject"]
    file.write_text(yaml.safe_dump_all(known))
    for version in ("1.27", "1.35"):
        done = run("kubernetes-validate", "--strict", "-k", version, str(file))
        assert done.returncode == 0, done.stdout + done.stderr
        assert "find schema" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({}, "secret: name the Secret"),
        ({"secret": "studio"}, "inference.triton.image"),
        ({**NEEDED, "inference.replicas": "2"}, "inference.triton.claim"),
        ({**NEEDED, "workers.upsert.autoscaling.enabled": "true"}, "prometheus"),
        ({**NEEDED, "replicas": "3"}, "replicas"),
        ({**NEEDED, "image.tag": "latest"}, "tag"),
        ({**NEEDED, "settings.EMBEDDING_STUDIO_POSTGRES__DSN": "x"}, "DSN"),
        ({**NEEDED, "settings.EMBEDDING_STUDIO_OBJECTS__SECRET_KEY": "x"}, "SECRET_KEY"),
    ],
)
def test_what_is_missing_or_misspelt_is_named(run: Run, values: dict[str, str], word: str) -> None:
    chosen = [part for key, value in values.items() for part in ("--set", f"{key}={value}")]
    done = run("helm", "template", "studio", CHART, *chosen)
    assert done.returncode != 0
    assert word in done.stderr


def test_every_role_has_a_deployment_and_only_what_trains_has_torch(run: Run) -> None:
    manifests = rendered(run, NEEDED)
    found = pods(manifests)
    assert set(found) == {"api", *ROLES, "migrate", "export"}
    with_torch = {name for name, pod in found.items() if "train" in pod["containers"][0]["image"]}
    assert with_torch == {"finetune", "export"}
    for role in ROLES:
        assert found[role]["containers"][0]["args"] == ["worker", "--role", role]


def test_nobody_has_more_rights_than_it_needs(run: Run) -> None:
    for name, pod in pods(rendered(run, ALL)).items():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["automountServiceAccountToken"] is False, name
        for container in pod["containers"]:
            locked = container["securityContext"]
            assert locked["readOnlyRootFilesystem"] is True
            assert locked["allowPrivilegeEscalation"] is False
            assert locked["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]
            assert re.search(r":[\d.]+\d$", container["image"]), container["image"]


def test_what_does_not_answer_is_started_again_and_what_is_not_ready_is_not_asked(run: Run) -> None:
    for name, pod in pods(rendered(run, NEEDED)).items():
        for container in pod["containers"]:
            probes = {probe for probe in container if probe.endswith("Probe")}
            asked = {"readinessProbe"} if container["name"] in ("api", "triton") else set()
            runs_on = set() if name in ("migrate", "export") else {"startupProbe", "livenessProbe"}
            assert probes == asked | runs_on, (name, container["name"])


def test_secrets_are_named_and_never_written(run: Run) -> None:
    manifests = rendered(run, ALL)
    assert not of_kind(manifests, "Secret")
    settings = of_kind(manifests, "ConfigMap")["studio"]["data"]
    assert not [name for name in settings if re.search("DSN|PASSWORD|SECRET|_KEY", name)]
    for pod in pods(manifests).values():
        assert {"secretRef": {"name": "studio"}} in pod["containers"][0]["envFrom"]


def test_the_schema_and_the_encoders_are_there_before_a_new_pod_is(run: Run) -> None:
    jobs = of_kind(rendered(run, NEEDED), "Job")
    notes = {name: job["metadata"]["annotations"] for name, job in jobs.items()}
    assert {note["helm.sh/hook"] for note in notes.values()} == {"pre-install,pre-upgrade"}
    assert int(notes["migrate"]["helm.sh/hook-weight"]) < int(notes["export"]["helm.sh/hook-weight"])


def test_workers_grow_with_the_queues_that_they_work_on(run: Run) -> None:
    scaled = of_kind(rendered(run, ALL), "ScaledObject")
    assert set(scaled) == {"upsert", "improve", "finetune"}
    assert scaled["finetune"]["spec"]["maxReplicaCount"] == 1  # of two, the one that trains might be taken away
    queries = {name: one["spec"]["triggers"][0]["metadata"]["query"] for name, one in scaled.items()}
    assert queries["finetune"] == (
        'sum(max by (queue) (embedding_studio_queue_depth{queue=~"finetune"}))'
        ' + (sum(max by (kind) (embedding_studio_tasks{kind=~"fine_tune", state="running"})) or vector(0))'
    )
    kinds = {role: set(re.findall(r'kind=~"([^"]*)"', query)[0].split("|")) for role, query in queries.items()}
    assert kinds == {role: {kind for kind, of in ROLE_OF.items() if of == role} for role in scaled}
    asked = {queue for query in queries.values() for queue in re.findall(r'queue=~"([^"]*)"', query)[0].split("|")}
    source = "\n".join(path.read_text() for path in (ROOT / "src/embedding_studio").glob("*/jobs.py"))
    known = set(re.findall(r'queue="(\w+)"|_(?:SHORT|BULK)\b.*= "(\w+)", "(\w+)"', source))
    named = {queue for queues in known for queue in queues if queue}
    assert asked == named - {"inference", "inference_bulk"}


def test_a_disruption_leaves_an_api(run: Run) -> None:
    budgets = of_kind(rendered(run, NEEDED), "PodDisruptionBudget")
    assert budgets["api"]["spec"]["minAvailable"] == 1
    assert {budgets[role]["spec"]["maxUnavailable"] for role in ROLES} == {1}


def test_the_defaults_follow_the_schema(run: Run) -> None:
    done = run("check-jsonschema", "--schemafile", f"{CHART}/values.schema.json", f"{CHART}/values.yaml")
    assert done.returncode == 0, done.stdout
    schema = json.loads((ROOT / CHART / "values.schema.json").read_text())
    assert set(schema["properties"]) - {"global"} == set(yaml.safe_load((ROOT / CHART / "values.yaml").read_text()))


def test_settings_are_those_that_there_are(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in of_kind(rendered(run, NEEDED), "ConfigMap")["studio"]["data"].items():
        monkeypatch.setenv(name, value)
    for name in ("POSTGRES__DSN", "MONGO__URL", "REDIS__URL"):
        monkeypatch.setenv(f"EMBEDDING_STUDIO_{name}", "x")
    monkeypatch.delenv("EMBEDDING_STUDIO_PLUGINS", raising=False)
    assert load_settings().inference.triton.url == "studio-triton:8001"


@pytest.mark.parametrize("source", ["arguments", "file"])
def test_settings_arrive_as_they_were_written(run: Run, source: str) -> None:
    said = {"OBJECTS__SECURE": "false", "CLICKSTREAM__KEPT": "0", "API__MAX_BODY": "32000000", "LOG__LEVEL": "debug"}
    if source == "file":
        lines = "".join(f"  EMBEDDING_STUDIO_{name}: {value}\n" for name, value in said.items())
        done = run("helm", "template", "studio", CHART, *_set(NEEDED), "--values", "-", source=f"settings:\n{lines}")
    else:
        chosen = _set({**NEEDED, **{f"settings.EMBEDDING_STUDIO_{name}": value for name, value in said.items()}})
        done = run("helm", "template", "studio", CHART, *chosen)
    found = of_kind([one for one in yaml.safe_load_all(done.stdout) if one], "ConfigMap")["studio"]["data"]
    assert {name: found.get(f"EMBEDDING_STUDIO_{name}") for name in said} == said


def test_a_rollback_brings_its_settings_back(run: Run) -> None:
    manifests = rendered(run, NEEDED)
    for kind in ("ConfigMap", "ServiceAccount"):
        hooks = of_kind(manifests, kind)["studio"]["metadata"]["annotations"]["helm.sh/hook"]
        assert hooks == "pre-install,pre-upgrade,pre-rollback"


def _set(values: dict[str, str]) -> list[str]:
    return [part for key, value in values.items() for part in ("--set", f"{key}={value}")]


def test_several_tritons_share_their_models_and_a_name(run: Run) -> None:
    manifests = rendered(run, ALL)
    pod = pods(manifests)["inference"]
    (models,) = (one for one in pod["volumes"] if one["name"] == "models")
    assert models["persistentVolumeClaim"] == {"claimName": "models"}
    assert of_kind(manifests, "Deployment")["inference"]["spec"]["replicas"] == 2
    assert of_kind(manifests, "Service")["triton"]["spec"]["clusterIP"] == "None"
    (worker,) = (one for one in pod["containers"] if one["name"] == "worker")
    assert "env" not in worker  # it fills all that the name stands for
