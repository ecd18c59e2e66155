"""Programs that check the files of deployment, from an environment of their own."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_VALIDATORS = Path(os.environ.get("VALIDATORS_ENVIRONMENT", ROOT / ".validators"))

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def run() -> Run:
    """Runs one of the programs in the repository's folder; where they were not installed, the test is skipped."""
    if not _VALIDATORS.is_dir():
        pytest.skip(f"needs validators: make {_VALIDATORS.name}/.ready")

    def run(name: str, *arguments: str, source: str | None = None) -> "subprocess.CompletedProcess[str]":
        command = [str(_VALIDATORS / "bin" / name), *arguments]
        return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, input=source, timeout=120)

    return run
