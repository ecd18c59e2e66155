"""Data sets beside the project."""

import os
from pathlib import Path

import pytest

__all__ = ["data_set"]

_BESIDE = Path(__file__).parents[2] / "shared" / "data"


def data_set(name: str) -> Path:
    """The set's folder under `DATA_DIR`, else beside the project; the test is skipped where there is none."""
    folder = Path(os.environ.get("DATA_DIR", _BESIDE)) / name
    if not folder.is_dir():
        pytest.skip(f"needs the data set {name}")
    return folder
