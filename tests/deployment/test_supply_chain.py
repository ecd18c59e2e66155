"""The checks of what we pin: they find what is wrong, and never take silence for good news."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PINS = ["numpy", "Pillow", "ruamel.yaml"]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "config" / "audit" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def looked_up(*names: str, **flaws: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "version": "1.0", "vulns": [{"id": flaws[name], "fix_versions": []}] if name in flaws else []}
        for name in names
    ]


SKIPPED = [{"name": name, "version": "1.0", "skip_reason": "not found"} for name in PINS]


@pytest.mark.parametrize(
    ("answers", "status", "told"),
    [
        ({"osv": looked_up("numpy", "pillow", "ruamel-yaml")}, 0, "all 3 pins were looked up"),
        ({"osv": looked_up("numpy"), "pypi": looked_up("pillow", "ruamel.yaml")}, 0, "all 3 pins were looked up"),
        ({"osv": [], "pypi": SKIPPED}, 3, "NOT AUDITED: no advisory database"),
        ({"osv": [], "pypi": []}, 3, "NOT AUDITED: no advisory database"),
        ({"osv": looked_up("numpy"), "pypi": SKIPPED}, 3, "NOT AUDITED: 2 of 3 pins: Pillow, ruamel.yaml"),
        ({"osv": looked_up("numpy", numpy="CVE-1"), "pypi": SKIPPED}, 1, "CVE-1"),
    ],
)
def test_what_is_known_of_advisories(answers: dict[str, Any], status: int, told: str) -> None:
    found, lines = load("advisories").judge(answers, PINS)
    assert found == status
    assert told in "\n".join(lines)


def test_the_licences_of_all_pins() -> None:
    assert list(load("licences").wrong(ROOT / "constraints.txt")) == []


def test_a_licence_that_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    licences = load("licences")
    monkeypatch.setattr(licences, "ACCEPTED", {})
    pins = tmp_path / "constraints.txt"
    pins.write_text("# pins\ndramatiq==2.2.0\nmsgspec==0.22.0\nno-such-package==1\n")
    found = list(licences.wrong(pins))
    assert [line.partition(":")[0] for line in found] == ["dramatiq", "no-such-package"]
