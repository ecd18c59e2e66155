"""Plugins of the tests' own, beside the shipped ones."""

from collections.abc import Callable

import pytest

from embedding_studio.sdk import EmbeddingPlugin
from studio import Studio

AddPlugin = Callable[[EmbeddingPlugin], None]


@pytest.fixture
def add_plugin(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> AddPlugin:
    """Make a plugin known, or change one that is."""

    def add(plugin: EmbeddingPlugin) -> None:
        monkeypatch.setitem(studio.container.plugins._plugins, plugin.name, plugin)

    return add
