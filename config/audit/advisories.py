"""Whether the pinned versions have known vulnerabilities; "nobody could be asked" is never told as "there are none".

Exit status: 0, every pin was looked up and none is vulnerable; 1, some are; 3, some could not be looked up.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["judge", "main"]

CLEAN, VULNERABLE, UNKNOWN = 0, 1, 3

_SERVICES = ("osv", "pypi")
_DEADLINE_S = 600

Answer = Sequence[Mapping[str, Any]]
"""A service's word on each pin: its `name` and `version` with `vulns`, or with a `skip_reason`."""


def main() -> int:
    """Ask each service, and print what is known."""
    pins = Path(sys.argv[1])
    answers = {service: _ask(service, pins) for service in _SERVICES}
    status, lines = judge(answers, _names(pins))
    sys.stdout.write("\n".join(lines) + "\n")
    return status


def judge(answers: Mapping[str, Answer], pinned: Sequence[str]) -> tuple[int, list[str]]:
    """The exit status and what to print, from what each service answered about the pinned packages."""
    found: dict[str, str] = {}
    answered: set[str] = set()
    for service, answer in answers.items():
        for one in answer:
            if "vulns" in one:
                answered.add(_plain(one["name"]))
            for flaw in one.get("vulns", ()):
                fixed = ", ".join(flaw.get("fix_versions", ())) or "no version yet"
                found[flaw["id"]] = f"{one['name']} {one['version']}: {flaw['id']} ({service}), mended in {fixed}"
    unknown = sorted(name for name in pinned if _plain(name) not in answered)
    if found:
        return VULNERABLE, [*found.values(), _told(pinned, unknown)]
    return (UNKNOWN if unknown else CLEAN), [_told(pinned, unknown)]


def _told(pinned: Sequence[str], unknown: Sequence[str]) -> str:
    if not unknown:
        return f"all {len(pinned)} pins were looked up"
    if len(unknown) == len(pinned):
        return f"NOT AUDITED: no advisory database answered; nothing is known of the {len(pinned)} pins"
    return f"NOT AUDITED: {len(unknown)} of {len(pinned)} pins: {', '.join(unknown)}"


def _ask(service: str, pins: Path) -> Answer:
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(pins), "--no-deps", "--disable-pip"]
    command += ["--vulnerability-service", service, "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_DEADLINE_S)  # noqa: S603
        answer: Answer = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError) as error:
        sys.stderr.write(f"{service} does not answer ({type(error).__name__})\n")
        return ()
    return answer


def _names(pins: Path) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in pins.read_text(encoding="utf-8").splitlines())
    return [line.partition("==")[0] for line in lines if line]


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


if __name__ == "__main__":
    sys.exit(main())
