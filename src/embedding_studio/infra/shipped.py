"""Folders that ship beside the code: migrations, plugins, configuration."""

from pathlib import Path

__all__ = ["shipped"]

_PACKAGE = Path(__file__).parents[1]


def shipped(name: str) -> Path:
    """The folder `name` of the repository, or its copy inside an installed wheel."""
    installed = _PACKAGE / "_shipped" / name
    return installed if installed.is_dir() else _PACKAGE.parents[1] / name
