"""Finding plugins: files of a folder, and the entry points of installed packages."""

import importlib.util
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

from embedding_studio.kernel.errors import InvalidError
from embedding_studio.sdk.plugin import EmbeddingPlugin

__all__ = ["ENTRY_POINTS", "FoundPlugin", "PluginRegistry", "find_plugins"]

logger = logging.getLogger(__name__)

ENTRY_POINTS = "embedding_studio.plugins"


@dataclass(frozen=True, slots=True)
class FoundPlugin:
    """A plugin, or where one should be and why it is not."""

    name: str
    version: str
    status: Literal["ok", "broken"]
    detail: str
    plugin: EmbeddingPlugin | None = None


class PluginRegistry:
    """The plugins that were found when the process started."""

    def __init__(self, found: list[FoundPlugin]) -> None:
        self.found = tuple(found)
        self._plugins = {one.plugin.name: one.plugin for one in found if one.plugin}

    def get(self, name: str) -> EmbeddingPlugin:
        """The working plugin of this name.

        Raises:
            InvalidError: There is none; says why, and which there are.
        """
        if name in self._plugins:
            return self._plugins[name]
        broken = next((one.detail for one in self.found if one.name == name), None)
        known = ", ".join(sorted(self._plugins)) or "none"
        raise InvalidError.at(
            "plugin", f"{name!r} is broken: {broken}" if broken else f"no {name!r}; there are: {known}"
        )

    def working(self) -> list[EmbeddingPlugin]:
        """All plugins that can be used."""
        return list(self._plugins.values())


def find_plugins(folder: Path) -> PluginRegistry:
    """Load `folder/*.py` and the entry points; one that does not load is logged, reported and stops no other."""
    found: list[FoundPlugin] = []
    names: set[str] = set()
    for source, load in _sources(folder):
        one = _load(source, load)
        if one.plugin and one.name in names:
            one = _broken(source, f"the name {one.name!r} is taken by another plugin")
        if one.plugin:
            names.add(one.name)
        found.append(one)
    return PluginRegistry(found)


def _sources(folder: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    for path in sorted(folder.glob("*.py")):
        yield path.stem, partial(_load_file, path)
    for point in entry_points(group=ENTRY_POINTS):
        yield point.name, point.load


def _load_file(path: Path) -> Any:
    name = f"embedding_studio_plugins.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        plugin = module.plugin
    except BaseException:
        del sys.modules[name]
        raise
    return plugin


def _load(source: str, load: Callable[[], Any]) -> FoundPlugin:
    try:
        plugin = load()
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the edge: a plugin's code may raise anything
        return _broken(source, f"{type(error).__name__}: {error}")
    if not isinstance(plugin, EmbeddingPlugin):
        return _broken(source, f"`plugin` is {type(plugin).__name__}, not EmbeddingPlugin")
    return FoundPlugin(plugin.name, plugin.version, "ok", "", plugin)


def _broken(source: str, detail: str) -> FoundPlugin:
    logger.error("the plugin %r is broken: %s", source, detail)
    return FoundPlugin(source, "", "broken", detail)
